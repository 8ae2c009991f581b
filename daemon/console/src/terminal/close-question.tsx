/** Asks what becomes of a terminal whose tab is closed while something runs in it. */
import { Dialog } from "../ui/dialog";

interface Props {
  host: string;
  onEnd: () => void;
  /** Absent where the terminal can't be left running. */
  onDetach: (() => void) | undefined;
  onClose: () => void;
}

export function CloseQuestion({ host, onEnd, onDetach, onClose }: Props) {
  return (
    <Dialog title="Close this terminal?" onClose={onClose}>
      <div class="dialog-body">
        <p>
          The session on <strong>{host}</strong> ends, with everything that runs in it.
          {onDetach && " Detached, it runs on for a while, and is found under My terminals."}
        </p>
      </div>
      <footer class="dialog-foot">
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        {onDetach && (
          <button type="button" onClick={onDetach}>
            Detach
          </button>
        )}
        <button type="button" class="danger" onClick={onEnd}>
          End the session
        </button>
      </footer>
    </Dialog>
  );
}
