/** The terminal's colours and letters. Both palettes keep 4.5:1 on their background. */
import type { ITheme } from "@xterm/xterm";

export const FONT_FAMILY =
  'ui-monospace, "Cascadia Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace';

/** Text on a background of another program's choice is moved until it can be read. */
export const MINIMUM_CONTRAST = 4.5;

const DARK: ITheme = {
  background: "#0d1417",
  foreground: "#d7e0e2",
  cursor: "#5cc8d1",
  cursorAccent: "#0d1417",
  selectionBackground: "#2b4f57",
  black: "#263238",
  red: "#f2777a",
  green: "#8ccf7e",
  yellow: "#e5c76b",
  blue: "#71b1f0",
  magenta: "#c79bf0",
  cyan: "#5cc8d1",
  white: "#c8d3d5",
  brightBlack: "#7c8f96",
  brightRed: "#ff9a9c",
  brightGreen: "#aee5a0",
  brightYellow: "#f4dc92",
  brightBlue: "#9ccbff",
  brightMagenta: "#dcbcff",
  brightCyan: "#8fe3ea",
  brightWhite: "#f4f8f9",
  scrollbarSliderBackground: "#ffffff26",
  scrollbarSliderHoverBackground: "#ffffff40",
  scrollbarSliderActiveBackground: "#ffffff59",
};

const LIGHT: ITheme = {
  background: "#fbfcfc",
  foreground: "#1d2b30",
  cursor: "#0b6a72",
  cursorAccent: "#fbfcfc",
  selectionBackground: "#bfdfe3",
  black: "#1d2b30",
  red: "#b3261e",
  green: "#2b6e2f",
  yellow: "#7a5600",
  blue: "#1a5fb4",
  magenta: "#8134a8",
  cyan: "#0b6a72",
  white: "#5b6b71",
  brightBlack: "#56666c",
  brightRed: "#c4332b",
  brightGreen: "#2f7a34",
  brightYellow: "#856000",
  brightBlue: "#1f6fd0",
  brightMagenta: "#9440bd",
  brightCyan: "#0d757e",
  brightWhite: "#3c4b50",
  scrollbarSliderBackground: "#00000026",
  scrollbarSliderHoverBackground: "#00000040",
  scrollbarSliderActiveBackground: "#00000059",
};

export const terminalTheme = (dark: boolean): ITheme => (dark ? DARK : LIGHT);

/** Marks of the search; each of the form #RRGGBB, which is all that the add-on takes. */
export const searchMarks = (dark: boolean) => ({
  matchBackground: dark ? "#4b4420" : "#f6e7a9",
  matchOverviewRuler: "#b58900",
  activeMatchBackground: dark ? "#8a6d00" : "#ffc94d",
  activeMatchColorOverviewRuler: "#d08700",
});
