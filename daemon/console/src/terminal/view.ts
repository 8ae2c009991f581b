/** One xterm.js terminal in the page: what it shows, and what a person does in it. */
import "@xterm/xterm/css/xterm.css";
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { WebglAddon } from "@xterm/addon-webgl";
import { Terminal } from "@xterm/xterm";
import { allowStylesByScript } from "./csp";
import { preparePaste } from "./paste";
import { Replay } from "./replay";
import { FONT_FAMILY, MINIMUM_CONTRAST, searchMarks, terminalTheme } from "./theme";

export interface ViewOwner {
  input(bytes: Uint8Array<ArrayBuffer>): void;
  /** Where the mouse is, and who has the focus: of use at once or never. */
  report(bytes: Uint8Array<ArrayBuffer>): void;
  resized(size: Size): void;
  /** The program in the terminal names its window; text of the host. */
  title(title: string): void;
  /** A link was chosen; only http and https come here. */
  link(address: URL): void;
  /** A key that means something to the page. True: the terminal doesn't get it. */
  key(event: KeyboardEvent): boolean;
  searchResult(current: number, count: number): void;
}

/** Rows and columns. */
export interface Size {
  cols: number;
  rows: number;
}

export interface Look {
  dark: boolean;
  fontSize: number;
  /** Output is told to screen readers too. */
  readAloud: boolean;
}

/** Output that stays to be scrolled back to, in lines. */
const SCROLLBACK = 10_000;

/** Leaves whatever mode the last program left behind, and keeps what is on the screen. */
const SOFT_RESET =
  "\x1b[?1049l\x1b[!p\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b[0m";

/** Reports of focus, and of the mouse in its newer form (the older one is not text). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals talk in control characters
const REPORT = /^\x1b\[(?:[IO]|<[\d;]+[Mm])$/;

const encoder = new TextEncoder();

allowStylesByScript();

export class TerminalView {
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #search = new SearchAddon();
  readonly #replay: Replay;
  #webgl: WebglAddon | null = null;
  /** WebGL was lost or is missing here: the DOM renderer serves from now on. */
  #withoutWebgl = false;
  #dark = true;
  readonly #watch: ResizeObserver;
  #frame = 0;

  constructor(
    private readonly container: HTMLElement,
    private readonly owner: ViewOwner,
    look: Look,
    /** Until the page has given it its place. */
    size: Size,
  ) {
    this.#dark = look.dark;
    const terminal = new Terminal({
      ...size,
      allowProposedApi: true,
      cursorBlink: false,
      fontFamily: FONT_FAMILY,
      fontSize: look.fontSize,
      // At 1 the document's own drawing cuts underscores off below some fonts.
      lineHeight: 1.15,
      linkHandler: { activate: (_, text) => this.#link(text), allowNonHttpProtocols: false },
      macOptionIsMeta: true,
      minimumContrastRatio: MINIMUM_CONTRAST,
      screenReaderMode: look.readAloud,
      scrollback: SCROLLBACK,
      theme: terminalTheme(look.dark),
      // No report of window titles or sizes: a host could have its own text typed back.
      windowOptions: {},
    });
    this.#terminal = terminal;
    terminal.loadAddon(this.#fit);
    terminal.loadAddon(this.#search);
    terminal.loadAddon(new Unicode11Addon());
    terminal.unicode.activeVersion = "11";
    terminal.loadAddon(new WebLinksAddon((_, text) => this.#link(text)));
    terminal.attachCustomKeyEventHandler((event) => !owner.key(event));
    this.#replay = new Replay(terminal.parser);
    terminal.onData((text) => {
      if (!REPORT.test(text)) owner.input(encoder.encode(text));
      // A program that once asked for the focus is told when it asks, by old output too.
      else if (!this.#replay.active) owner.report(encoder.encode(text));
    });
    // Mouse reports of old programs: one byte a character, not always UTF-8.
    terminal.onBinary((text) => owner.report(Uint8Array.from(text, (c) => c.charCodeAt(0) & 0xff)));
    terminal.onResize(({ cols, rows }) => owner.resized({ cols, rows }));
    terminal.onTitleChange((title) => owner.title(title.slice(0, 120)));
    this.#search.onDidChangeResults(({ resultIndex, resultCount }) =>
      owner.searchResult(resultIndex, resultCount),
    );
    terminal.open(container);
    container.addEventListener("paste", this.#pasteEvent, { capture: true });
    this.#watch = new ResizeObserver(() => this.#fitSoon());
    this.#watch.observe(container);
  }

  get size(): Size {
    return { cols: this.#terminal.cols, rows: this.#terminal.rows };
  }

  /** Shows output; `done` when it has been parsed. Questions in what is `old` stay unanswered. */
  write(bytes: Uint8Array, done: () => void, old: boolean): void {
    this.#terminal.write(bytes, old ? this.#replay.piece(done) : done);
  }

  /**
   * A line of the page's own between the host's output; `done` when it has been shown. It begins
   * with CAN, since the output may have been cut in the middle of a sequence.
   */
  note(text: string, done?: () => void): void {
    this.#terminal.write(`\x18\r\n\x1b[0;2;3m── ${text} ──\x1b[0m\r\n`, done);
  }

  freshSession(text: string): void {
    this.#terminal.write(SOFT_RESET);
    this.note(text);
  }

  focus(): void {
    this.#terminal.focus();
  }

  /** Takes the space that is there, and a WebGL context: browsers have few of those. */
  show(): void {
    this.#startWebgl();
    this.#fitNow();
  }

  hide(): void {
    this.#webgl?.dispose();
    this.#webgl = null;
  }

  look({ dark, fontSize, readAloud }: Look): void {
    this.#dark = dark;
    this.#terminal.options.theme = terminalTheme(dark);
    this.#terminal.options.fontSize = fontSize;
    this.#terminal.options.screenReaderMode = readAloud;
    this.#fitNow();
  }

  get selection(): string {
    return this.#terminal.getSelection();
  }

  paste(text: string): void {
    if (text === "") return;
    const { bracketedPasteMode } = this.#terminal.modes;
    this.owner.input(encoder.encode(preparePaste(text, bracketedPasteMode)));
    this.#terminal.scrollToBottom();
  }

  find(text: string, backwards: boolean, incremental: boolean): void {
    const options = { incremental, decorations: searchMarks(this.#dark) };
    if (backwards) this.#search.findPrevious(text, options);
    else this.#search.findNext(text, options);
  }

  endSearch(): void {
    this.#search.clearDecorations();
    this.#terminal.clearSelection();
  }

  dispose(): void {
    cancelAnimationFrame(this.#frame);
    this.#watch.disconnect();
    this.container.removeEventListener("paste", this.#pasteEvent, { capture: true });
    this.#terminal.dispose();
  }

  // Before xterm.js sees it: a closing bracket in the text must not get through.
  readonly #pasteEvent = (event: ClipboardEvent): void => {
    event.preventDefault();
    event.stopPropagation();
    this.paste(event.clipboardData?.getData("text/plain") ?? "");
  };

  #link(text: string): void {
    if (!URL.canParse(text)) return;
    const address = new URL(text);
    if (address.protocol === "http:" || address.protocol === "https:") this.owner.link(address);
  }

  #startWebgl(): void {
    if (this.#webgl || this.#withoutWebgl) return;
    const webgl = new WebglAddon();
    webgl.onContextLoss(() => {
      this.#withoutWebgl = true;
      webgl.dispose();
      this.#webgl = null;
    });
    try {
      this.#terminal.loadAddon(webgl);
      this.#webgl = webgl;
    } catch {
      this.#withoutWebgl = true;
    }
  }

  #fitSoon(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#fitNow());
  }

  #fitNow(): void {
    // A hidden terminal has no size, and keeps the one it had.
    if (this.container.clientWidth === 0 || this.container.clientHeight === 0) return;
    this.#fit.fit();
  }
}
