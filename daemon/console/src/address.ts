/**
 * Addresses of this console. Everything is relative to where the page itself lies, so that the
 * console works at the root of a name and below a path prefix alike.
 */

/** The directory of the page, `/` at both ends. All pages lie at this one level. */
export function basePath(pathname: string = location.pathname): string {
  return pathname.slice(0, pathname.lastIndexOf("/") + 1);
}

/** An HTTP address below the base. */
export function httpAddress(path: string): string {
  return basePath() + path;
}

/** A socket address below the base: `wss:` exactly when the page itself came by `https:`. */
export function socketAddress(path: string, page: Location = location): string {
  const scheme = page.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${page.host}${basePath(page.pathname)}${path}`;
}
