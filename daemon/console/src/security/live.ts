/** Counts security events as they come; whoever shows them loads them again. */
import { signal } from "@preact/signals";
import { watch } from "../watch";

export const news = signal(0);

function more(): void {
  news.value += 1;
}

watch({
  topic: "security",
  permission: "ws:security",
  // Only that there is one matters here: the list is loaded through its filter.
  parse: () => null,
  reload: more,
  event: more,
});
