/** Looking into open sockets: which there are, and what goes over one of them. */
import { route } from "../route";
import { may } from "../session";
import { Problem } from "../ui/notice";
import { Sockets } from "./sockets";
import { Watching } from "./watching";

export function InspectorPage() {
  if (!may("admin")) return <Problem>Your role does not allow you to look into sockets.</Problem>;
  const id = route.value.query.get("id");
  return <div class="page">{id ? <Watching key={id} id={id} /> : <Sockets />}</div>;
}
