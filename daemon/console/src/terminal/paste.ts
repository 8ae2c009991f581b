/** Pasted text on its way to the terminal. */

const BRACKET_START = "\x1b[200~";
const BRACKET_END = "\x1b[201~";

/**
 * Makes pasted text what a terminal expects: line ends become carriage returns, and it is framed
 * when the program asked for bracketed paste. A closing bracket hidden in the text is taken out,
 * else what follows it would run as if typed.
 */
export function preparePaste(text: string, bracketed: boolean): string {
  let typed = text.replace(/\r?\n/g, "\r");
  if (!bracketed) return typed;
  // Removing one may join the halves of another.
  while (typed.includes(BRACKET_END)) typed = typed.replaceAll(BRACKET_END, "");
  return BRACKET_START + typed + BRACKET_END;
}
