/**
 * How to make a browser trust the daemon's own certificate authority. Reachable without a login:
 * this is what the first visit needs.
 */
import { httpAddress } from "../address";
import * as api from "../api";
import { CopyBlock } from "../ui/copy";
import { Link } from "../ui/link";
import { useLoaded } from "../ui/load";
import { Loading, Notice, Problem } from "../ui/notice";

const FILE = "gangplank-ca.pem";

interface Recipe {
  name: string;
  steps: string[];
  line?: string;
}

const RECIPES: readonly Recipe[] = [
  {
    name: "Chrome, Chromium, Edge on Linux",
    steps: ["These keep certificates in a database of each user. Run, then restart the browser:"],
    line: `certutil -d sql:$HOME/.pki/nssdb -A -t "C,," -n Gangplank -i ${FILE}`,
  },
  {
    name: "Firefox, everywhere",
    steps: [
      "Settings → Privacy & Security → Certificates → View Certificates → Authorities → Import.",
      "Choose the file, and tick “Trust this CA to identify websites”.",
    ],
  },
  {
    name: "macOS (Safari, Chrome)",
    steps: ["Run in Terminal, and give your password:"],
    line: `sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ${FILE}`,
  },
  {
    name: "Windows (Edge, Chrome)",
    steps: ["Run in a Command Prompt as administrator, then restart the browser:"],
    line: `certutil -addstore Root ${FILE}`,
  },
  {
    name: "Debian, Ubuntu (curl, git and other programs)",
    steps: ["Run as root:"],
    line: `cp ${FILE} /usr/local/share/ca-certificates/gangplank.crt && update-ca-certificates`,
  },
  {
    name: "Fedora, Red Hat (curl, git and other programs)",
    steps: ["Run as root:"],
    line: `cp ${FILE} /etc/pki/ca-trust/source/anchors/ && update-ca-trust`,
  },
  {
    name: "iPhone, iPad",
    steps: [
      "Open the file, then Settings → General → VPN & Device Management → install the profile.",
      "Settings → General → About → Certificate Trust Settings: switch it on.",
    ],
  },
  {
    name: "Android",
    steps: [
      "Settings → Security → Encryption & credentials → Install a certificate → CA certificate.",
    ],
  },
];

/** The recipe for the browser at hand stands open. */
function likely(agent: string): string {
  if (/Firefox/.test(agent)) return "Firefox, everywhere";
  if (/Android/.test(agent)) return "Android";
  if (/iPhone|iPad/.test(agent)) return "iPhone, iPad";
  if (/Windows/.test(agent)) return "Windows (Edge, Chrome)";
  if (/Mac OS X/.test(agent)) return "macOS (Safari, Chrome)";
  return "Chrome, Chromium, Edge on Linux";
}

export function TrustPage() {
  const { value, error } = useLoaded(api.trust);
  const mine = likely(navigator.userAgent);
  return (
    <div class="page narrow trust">
      <h1>Trusting this daemon</h1>
      <p>
        This daemon made its own certificate authority when it first started, so your browser does
        not know it and warns. Encryption works all the same; what the browser can't tell by itself
        is that you talk to the right machine. You can, once, by comparing a fingerprint.
      </p>
      {error && <Problem>{error}</Problem>}
      {!value && !error && <Loading what="the certificate" />}
      {value && (
        <>
          <section>
            <h2>1. Compare the fingerprint</h2>
            <p>The authority's SHA-256 fingerprint, as this page got it:</p>
            <CopyBlock text={value.ca_fingerprint} what="the fingerprint" />
            <p>
              It must be the one that the daemon printed where it was started. There, or with the
              file below, this shows it too:
            </p>
            <CopyBlock
              text={`openssl x509 -in ${FILE} -noout -fingerprint -sha256`}
              what="the command"
            />
            <Notice>
              Are they different? Then somebody is in between. Don't log in, and don't import
              anything.
            </Notice>
          </section>
          <section>
            <h2>2. Get the certificate</h2>
            <p>
              <a class="button primary" href={httpAddress("ca.pem")} download={FILE}>
                Download {FILE}
              </a>
            </p>
            <p class="quiet">
              Trusting it risks nothing else: it is bound to{" "}
              {value.names.length > 0 ? value.names.join(", ") : "the names of this daemon"}, and
              can't vouch for any other site.
            </p>
          </section>
          <section>
            <h2>3. Import it</h2>
            {RECIPES.map(({ name, steps, line }) => (
              <details key={name} open={name === mine}>
                <summary>{name}</summary>
                {steps.map((step) => (
                  <p key={step}>{step}</p>
                ))}
                {line && <CopyBlock text={line} what="the command" />}
              </details>
            ))}
          </section>
          <p>
            Then load this page again: the warning is gone. <Link to="hosts">To the console</Link>
          </p>
        </>
      )}
    </div>
  );
}
