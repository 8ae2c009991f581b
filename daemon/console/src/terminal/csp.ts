/**
 * Lets xterm.js run under a content security policy without `unsafe-inline`.
 *
 * xterm.js writes its rules into `<style>` elements, and its DOM renderer gives some spans a
 * `style` attribute; the policy refuses both. It allows what script does through the CSS object
 * model, so the document's `createElement` is covered by one that makes
 *
 * - for `style` an element of ours, whose text becomes a constructed style sheet that the document
 *   adopts for as long as the element is in it;
 * - a `span` that sets a `style` attribute through `style.cssText`.
 *
 * The option `documentOverride` of xterm.js would be narrower, but its scroll bar and the DOM
 * renderer's rows take the global document all the same. Nothing is lost by the wider cover: under
 * this policy a real `<style>` or `style` attribute made by script has no effect anywhere.
 */

/** Stands in for a `<style>` element: same place in the tree, same text, no inline style. */
class AdoptedStyle extends HTMLElement {
  readonly #sheet = new CSSStyleSheet();

  connectedCallback(): void {
    this.hidden = true;
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, this.#sheet];
  }

  disconnectedCallback(): void {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter(
      (sheet) => sheet !== this.#sheet,
    );
  }

  override get textContent(): string {
    return Array.from(this.#sheet.cssRules, (rule) => rule.cssText).join("\n");
  }

  override set textContent(rules: string) {
    this.#sheet.replaceSync(rules);
  }
}

const NAME = "gangplank-style";

function setAttribute(this: HTMLElement, name: string, value: string): void {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}

function createElement(
  this: Document,
  name: string,
  options?: ElementCreationOptions,
): HTMLElement {
  const element = Document.prototype.createElement.call(
    this,
    name === "style" ? NAME : name,
    options,
  );
  if (name === "span") element.setAttribute = setAttribute;
  return element;
}

/** To be called once, before the first terminal is made. */
export function allowStylesByScript(): void {
  if (customElements.get(NAME)) return;
  customElements.define(NAME, AdoptedStyle);
  Object.defineProperty(document, "createElement", { value: createElement, configurable: true });
}
