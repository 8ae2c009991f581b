/** The containers of a host, as it last said. */
import { useEffect } from "preact/hooks";
import { onHostEvent } from "../hosts";
import { bytes } from "../jobs/report-view";
import { Problem } from "../ui/notice";
import { Ago } from "../ui/time";
import type { Host } from "../wire";
import * as api from "./api";
import { useSaid } from "./said";
import type { Container, DockerInventory } from "./wire";

function mark(state: string): string {
  if (state === "running") return "badge good";
  return state === "exited" || state === "created" ? "badge" : "badge warn";
}

function Row({ container }: { container: Container }) {
  return (
    <tr>
      <td class="wrap">
        {container.name}
        {container.project && <span class="quiet"> {container.project}</span>}
      </td>
      <td>
        <span class={mark(container.state)}>{container.state}</span>
        {container.status && <span class="quiet"> {container.status}</span>}
      </td>
      <td class="wrap">{container.image}</td>
      <td class="wrap">{container.ports.join(", ") || <span class="quiet">none</span>}</td>
    </tr>
  );
}

function Inventory({ inventory }: { inventory: DockerInventory }) {
  const { containers, images, volumes, networks, updates, problems } = inventory;
  const size = images.reduce((sum, image) => sum + image.size, 0);
  return (
    <>
      <p class="quiet">
        Told <Ago at={inventory.at} />. {images.length} images ({bytes(size)}), {volumes.length}{" "}
        volumes, {networks.length} networks; engine {inventory.engine.version || "not said"}.
      </p>
      {updates.length > 0 && (
        <p>
          <span class="badge warn">{updates.length} images have a newer one</span>
        </p>
      )}
      {containers.length === 0 && <p class="quiet">There are no containers.</p>}
      {containers.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">Container</th>
              <th scope="col">State</th>
              <th scope="col">Image</th>
              <th scope="col">Ports</th>
            </tr>
          </thead>
          <tbody>
            {containers.map((container) => (
              <Row key={container.id} container={container} />
            ))}
          </tbody>
        </table>
      )}
      {problems.map((problem) => (
        <p key={problem} class="quiet">
          {problem}
        </p>
      ))}
    </>
  );
}

/** Shown once the host has said something of containers. */
export function Containers({ host }: { host: Host }) {
  const { value, error, reload } = useSaid(host.id, "docker_inventory", api.docker);
  useEffect(
    () =>
      onHostEvent((event) => {
        if (event.kind === "container" && event.host_id === host.id) reload();
      }),
    [host.id, reload],
  );
  if (!error && !value?.said) return null;
  return (
    <section>
      <h2>Containers</h2>
      {error && <Problem>{error}</Problem>}
      {value?.said && <Inventory inventory={value.said} />}
    </section>
  );
}
