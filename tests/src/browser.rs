//! A real Chromium with an empty profile, which trusts the CAs that a test gives it the way a
//! person would make it: through its certificate store.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nix::sys::signal::{self, Signal};
use serde_json::{Value, json};

use crate::{
    devtools::DevTools,
    eventually::{eventually, patience, until},
    process::{self, Process},
    program, scratch,
};

/// Without these Chromium asks hosts of its maker for all sorts of things at every start.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-dev-shm-usage",
    "--disable-features=Translate,MediaRouter,OptimizationHints",
    "--password-store=basic",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
];

/// Modifier keys as the protocol counts them.
const CONTROL: u32 = 2;
const SHIFT: u32 = 8;

/// A running browser with one page.
#[derive(Debug)]
pub struct Browser {
    process: Process,
    devtools: DevTools,
    /// Mouse clicks so far.
    clicks: usize,
}

/// How the terminal's text may be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawing {
    /// In the document, where a test can read it.
    Text,
    /// By WebGL, as in most people's browsers.
    WebGl,
}

impl Browser {
    /// Starts a browser that trusts `cas` (PEM files), with the terminal's text readable.
    pub async fn start(cas: &[&Path]) -> Self {
        Self::with(cas, Drawing::Text).await
    }

    /// Starts a browser that trusts `cas` (PEM files).
    pub async fn with(cas: &[&Path], drawing: Drawing) -> Self {
        let home = scratch::directory();
        trust(&home, cas);
        let profile = home.join("profile");
        let mut command = Command::new(program::installed("chromium"));
        command.args(FLAGS).arg(format!("--user-data-dir={}", profile.display()));
        match drawing {
            Drawing::Text => command.arg("--disable-3d-apis"),
            Drawing::WebGl => command.args([
                "--enable-unsafe-swiftshader",
                "--use-gl=angle",
                "--use-angle=swiftshader",
            ]),
        };
        command.arg("about:blank").env("HOME", &home).env_remove("DBUS_SESSION_BUS_ADDRESS");
        let process = Process::start("chromium", &command);
        let (port, path) = eventually("chromium to listen", || {
            assert_eq!(process.exit_status(), None, "{}", process.log());
            let text = fs::read_to_string(profile.join("DevToolsActivePort")).ok()?;
            let (port, path) = text.split_once('\n')?;
            Some((port.parse().ok()?, path.trim().to_owned()))
        });
        let mut devtools = DevTools::connect(port, &path).await;
        devtools.open_page().await;
        for domain in ["Page", "Runtime", "Log", "Network"] {
            devtools.call(&format!("{domain}.enable"), json!({})).await;
        }
        let mut browser = Self { process, devtools, clicks: 0 };
        browser.size(1280, 800).await;
        browser
    }

    /// Opens an address and waits until the page has loaded.
    pub async fn goto(&mut self, url: &str) {
        let answer = self.devtools.call("Page.navigate", json!({ "url": url })).await;
        assert!(answer["errorText"].is_null(), "{url}: {}", answer["errorText"]);
        self.until("the page to load", "document.readyState === 'complete'").await;
    }

    /// Loads the page again. A question whether to leave it is not answered, and fails the test.
    pub async fn reload(&mut self) {
        self.eval("window.loadedBefore = true").await;
        self.devtools.call("Page.reload", json!({})).await;
        let start = std::time::Instant::now();
        let loaded = "!window.loadedBefore && document.readyState === 'complete'";
        loop {
            if self.evaluate(loaded).await.is_ok_and(|loaded| loaded == true) {
                return;
            }
            assert!(start.elapsed() < patience(), "the page does not load again");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops all of the browser's processes where they are, as a machine does that falls asleep.
    pub fn fall_asleep(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets them go on.
    pub fn wake_up(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        for pid in process::family(self.process.pid()) {
            // One that has ended meanwhile needs no signal.
            let _ = signal::kill(pid, signal);
        }
    }

    /// Opens an address that the browser must refuse, and returns why it did.
    pub async fn goto_refused(&mut self, url: &str) -> String {
        let answer = self.devtools.call("Page.navigate", json!({ "url": url })).await;
        answer["errorText"].as_str().unwrap_or("").to_owned()
    }

    /// Value of a JavaScript expression, after a promise has been kept.
    ///
    /// # Panics
    /// When it throws.
    pub async fn eval(&mut self, expression: &str) -> Value {
        match self.evaluate(expression).await {
            Ok(value) => value,
            Err(error) => panic!("{expression}: {error}"),
        }
    }

    /// The same, or an error when the page goes while it is asked.
    async fn evaluate(&mut self, expression: &str) -> Result<Value, Value> {
        let params = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
            "userGesture": true,
        });
        let mut answer = self.devtools.try_call("Runtime.evaluate", params).await?;
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        Ok(answer["result"]["value"].take())
    }

    /// Goes back to the page before this one.
    pub async fn go_back(&mut self) {
        self.eval("void setTimeout(() => history.back())").await;
    }

    /// Waits until a JavaScript expression is truthy, and returns its value.
    ///
    /// # Panics
    /// When it isn't in time; the message shows the page's text.
    pub async fn until(&mut self, what: &str, expression: &str) -> Value {
        let start = std::time::Instant::now();
        loop {
            let guarded =
                format!("(() => {{ try {{ return {expression} }} catch {{ return null }} }})()");
            let value = self.evaluate(&guarded).await.unwrap_or(Value::Null);
            let nothing = value.is_null() || value == false || value == "" || value == 0;
            if !nothing {
                return value;
            }
            if start.elapsed() > patience() {
                let text = self.eval("document.body?.innerText ?? ''").await;
                panic!("waited in vain for {what}; problems {:?}; page: {text}", self.problems());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the page shows a text.
    pub async fn shows(&mut self, text: &str) {
        let expression = format!("document.body.innerText.includes({})", json!(text));
        self.until(&format!("the page to show {text:?}"), &expression).await;
    }

    /// Clicks, with the mouse, what a JavaScript expression yields once it yields an element. A page
    /// that is still loading may move it away under the mouse: then once more.
    pub async fn click(&mut self, what: &str, element: &str) {
        // The middle of an element that is on the screen and is not covered.
        let place = format!(
            "(() => {{ const e = {element}; if (!e || e.disabled) return null; \
               e.scrollIntoView({{ block: 'center', behavior: 'instant' }}); \
               const r = e.getBoundingClientRect(); const x = r.x + r.width / 2, \
               y = r.y + r.height / 2; const hit = document.elementFromPoint(x, y); \
               if (!hit || !(e.contains(hit) || hit.contains(e))) return null; \
               window.missed = true; const heard = () => {{ window.missed = false }}; \
               (e.contains(hit) ? e : hit).addEventListener('click', heard, \
               {{ capture: true, once: true }}); return {{ x, y }}; }})()"
        );
        let start = std::time::Instant::now();
        loop {
            let at = self.until(what, &place).await;
            for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
                let params = json!({
                    "type": kind, "x": at["x"], "y": at["y"], "clickCount": 1,
                    "button": if kind == "mouseMoved" { "none" } else { "left" },
                });
                self.devtools.call("Input.dispatchMouseEvent", params).await;
            }
            // A page that goes because of the click can't be asked any more.
            let missed = self.evaluate("window.missed === true").await;
            if !missed.is_ok_and(|missed| missed == true) {
                break;
            }
            assert!(start.elapsed() < patience(), "the mouse can't hit {what}");
        }
        self.clicks += 1;
    }

    /// Clicks the first visible button or link whose text or label matches a regular expression.
    pub async fn click_text(&mut self, pattern: &str) {
        self.click(&format!("something to click that says {pattern}"), &by_text(pattern)).await;
    }

    /// Mouse clicks so far.
    pub fn clicks(&self) -> usize {
        self.clicks
    }

    /// Types text with the keyboard, a key at a time.
    pub async fn keys(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '\r' | '\n' => self.press("Enter", 13, Some("\r")).await,
                '\u{1b}' => self.press("Escape", 27, None).await,
                '\t' => self.press("Tab", 9, None).await,
                _ => self.character(character).await,
            }
        }
    }

    /// Presses a letter together with Ctrl and Shift: a key of the page's own.
    pub async fn page_key(&mut self, letter: char) {
        let key = letter.to_ascii_uppercase();
        for kind in ["rawKeyDown", "keyUp"] {
            let params = json!({
                "type": kind, "key": key.to_string(), "code": format!("Key{key}"),
                "modifiers": CONTROL | SHIFT, "windowsVirtualKeyCode": u32::from(key),
            });
            self.devtools.call("Input.dispatchKeyEvent", params).await;
        }
    }

    async fn character(&mut self, character: char) {
        let code = if character.is_ascii_alphanumeric() {
            u32::from(character.to_ascii_uppercase())
        } else {
            0
        };
        let text = character.to_string();
        let down = json!({
            "type": "keyDown", "text": text, "unmodifiedText": text, "key": text,
            "windowsVirtualKeyCode": code,
        });
        self.devtools.call("Input.dispatchKeyEvent", down).await;
        let up = json!({ "type": "keyUp", "key": text, "windowsVirtualKeyCode": code });
        self.devtools.call("Input.dispatchKeyEvent", up).await;
    }

    /// Presses a key that is no character.
    pub async fn press(&mut self, key: &str, code: u32, text: Option<&str>) {
        let mut down = json!({
            "type": if text.is_some() { "keyDown" } else { "rawKeyDown" },
            "key": key, "code": key, "windowsVirtualKeyCode": code,
        });
        if let Some(text) = text {
            down["text"] = text.into();
        }
        self.devtools.call("Input.dispatchKeyEvent", down).await;
        let up = json!({ "type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code });
        self.devtools.call("Input.dispatchKeyEvent", up).await;
    }

    /// Pastes text from the clipboard into the terminal that has the focus, by Ctrl+Shift+V: a
    /// terminal takes Ctrl+V for itself.
    pub async fn paste(&mut self, text: &str) {
        let grant = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
        self.devtools.call("Browser.grantPermissions", grant).await;
        self.eval(&format!("navigator.clipboard.writeText({})", json!(text))).await;
        let key = json!({
            "type": "rawKeyDown", "key": "V", "code": "KeyV", "modifiers": CONTROL | SHIFT,
            "windowsVirtualKeyCode": 86, "commands": ["paste"],
        });
        self.devtools.call("Input.dispatchKeyEvent", key).await;
        let up =
            json!({ "type": "keyUp", "key": "V", "code": "KeyV", "modifiers": CONTROL | SHIFT });
        self.devtools.call("Input.dispatchKeyEvent", up).await;
    }

    /// Gives the window another size, in CSS pixels.
    pub async fn size(&mut self, width: u32, height: u32) {
        let params = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.devtools.call("Emulation.setDeviceMetricsOverride", params).await;
    }

    /// Plugs an authenticator in that keeps passkeys and says of its person, unasked, that it is
    /// them. Its id.
    pub async fn authenticator(&mut self) -> String {
        self.devtools.call("WebAuthn.enable", json!({})).await;
        let options = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserVerified": true,
            "automaticPresenceSimulation": true,
        });
        let options = json!({ "options": options });
        let added = self.devtools.call("WebAuthn.addVirtualAuthenticator", options).await;
        added["authenticatorId"].as_str().expect("an authenticator").to_owned()
    }

    /// The passkeys of an authenticator, with their private halves.
    pub async fn passkeys(&mut self, authenticator: &str) -> Vec<Value> {
        let which = json!({ "authenticatorId": authenticator });
        let mut answer = self.devtools.call("WebAuthn.getCredentials", which).await;
        answer["credentials"].as_array_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Puts a passkey into an authenticator in place of the one of that id.
    pub async fn put_passkey(&mut self, authenticator: &str, passkey: &Value) {
        let which = json!({
            "authenticatorId": authenticator, "credentialId": passkey["credentialId"],
        });
        self.devtools.call("WebAuthn.removeCredential", which).await;
        let what = json!({ "authenticatorId": authenticator, "credential": passkey });
        self.devtools.call("WebAuthn.addCredential", what).await;
    }

    /// Says whether an authenticator finds that it is its person who touches it.
    pub async fn recognises(&mut self, authenticator: &str, recognised: bool) {
        let what = json!({ "authenticatorId": authenticator, "isUserVerified": recognised });
        self.devtools.call("WebAuthn.setUserVerified", what).await;
    }

    /// Says that the person prefers dark or light pages.
    pub async fn prefers(&mut self, scheme: &str) {
        let params = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools.call("Emulation.setEmulatedMedia", params).await;
    }

    /// Takes a picture of the window into a PNG file.
    pub async fn screenshot(&mut self, file: &Path) {
        // Two frames, so that what the last step changed has been drawn.
        self.eval("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))").await;
        let params = json!({ "format": "png", "optimizeForSpeed": false });
        let shot = self.devtools.call("Page.captureScreenshot", params).await;
        let bytes = STANDARD.decode(shot["data"].as_str().expect("base64")).expect("base64");
        fs::write(file, bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// Text on the terminal's screen, one line each.
    pub async fn screen(&mut self) -> String {
        let rows = "[...document.querySelectorAll('.xterm-rows > div')]\
                    .filter(row => row.offsetParent).map(row => row.textContent).join('\\n')";
        self.eval(rows).await.as_str().unwrap_or("").replace('\u{a0}', " ")
    }

    /// Waits until the terminal's screen contains a text.
    ///
    /// # Panics
    /// When it doesn't in time.
    pub async fn screen_shows(&mut self, text: &str) {
        self.screen_until(&format!("{text:?}"), |screen| screen.contains(text)).await;
    }

    /// Waits until the terminal's screen contains a text no more.
    ///
    /// # Panics
    /// When it still does after a while.
    pub async fn screen_lacks(&mut self, text: &str) {
        self.screen_until(&format!("end of {text:?}"), |screen| !screen.contains(text)).await;
    }

    /// Waits until the terminal's screen is this one.
    ///
    /// # Panics
    /// When it isn't in time.
    pub async fn screen_is(&mut self, wanted: &str) {
        self.screen_until(&format!("this:\n{wanted}\n"), |screen| screen == wanted).await;
    }

    async fn screen_until(&mut self, what: &str, found: impl Fn(&str) -> bool) {
        let start = std::time::Instant::now();
        loop {
            let screen = self.screen().await;
            if found(&screen) {
                return;
            }
            if start.elapsed() > patience() {
                panic!("no {what} on the screen:\n{screen}\nproblems: {:?}", self.problems());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Everything that a developer would see in red: exceptions, errors that the page logged, and
    /// what the browser itself holds against it, violations of the content security policy among
    /// them. Answers with an error status are the test's business.
    pub fn problems(&self) -> Vec<String> {
        let told = |event: &Value| {
            let params = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
                "Runtime.consoleAPICalled" if params["type"] == "error" => {
                    Some(params["args"].to_string())
                }
                "Log.entryAdded" if params["entry"]["level"] == "error" => {
                    (params["entry"]["source"] != "network")
                        .then(|| params["entry"]["text"].to_string())
                }
                _ => None,
            }
        };
        self.devtools.events().iter().filter_map(told).collect()
    }

    /// Every address that was asked for, and by what kind of request.
    pub fn requests(&self) -> Vec<String> {
        let asked = |event: &Value| match event["method"].as_str()? {
            "Network.requestWillBeSent" => {
                event["params"]["request"]["url"].as_str().map(str::to_owned)
            }
            "Network.webSocketCreated" => event["params"]["url"].as_str().map(str::to_owned),
            _ => None,
        };
        self.devtools.events().iter().filter_map(asked).collect()
    }

    /// Waits until a message with this text has come on one of the page's WebSockets.
    pub async fn hears(&mut self, text: &str) {
        let received = |event: &Value| {
            event["method"] == "Network.webSocketFrameReceived"
                && event["params"]["response"]["payloadData"]
                    .as_str()
                    .is_some_and(|payload| payload.contains(text))
        };
        let start = std::time::Instant::now();
        while !self.devtools.events().iter().any(received) {
            assert!(start.elapsed() < patience(), "waited in vain to hear {text:?}");
            // What the browser tells is read together with its answers.
            self.eval("new Promise(done => setTimeout(done, 50))").await;
        }
    }

    /// Lets the browser do something until a condition outside of it holds.
    pub async fn meanwhile<T>(&mut self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        until(patience(), what, || {
            let found = look();
            async { found }
        })
        .await
    }

    /// What the browser itself printed.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// JavaScript for the first visible control whose text or label matches.
pub fn by_text(pattern: &str) -> String {
    format!(
        "[...document.querySelectorAll('button, a, summary, [role=button], [role=tab], \
         [role=menuitem], input[type=submit]')].find(e => e.getClientRects().length && \
         new RegExp({}, 'i').test((e.innerText || e.value || '') + ' ' + \
         (e.getAttribute('aria-label') || '') + ' ' + (e.title || '')))",
        json!(pattern)
    )
}

/// JavaScript for the form field with a label, name, placeholder or type that matches.
pub fn field(pattern: &str) -> String {
    format!(
        "[...document.querySelectorAll('input, textarea, select')]\
         .filter(e => e.getClientRects().length && !e.closest('.xterm')).find(e => \
         new RegExp({}, 'i').test([...(e.labels || [])].map(l => l.innerText).join(' ') + ' ' + \
         e.name + ' ' + e.id + ' ' + (e.placeholder || '') + ' ' + \
         (e.getAttribute('aria-label') || '') + ' ' + e.type))",
        json!(pattern)
    )
}

/// Puts CAs into the certificate store that Chromium reads.
fn trust(home: &Path, cas: &[&Path]) {
    let store: PathBuf = home.join(".pki/nssdb");
    fs::create_dir_all(&store).expect("our own directory");
    let database = format!("sql:{}", store.display());
    let certutil = program::installed("certutil");
    process::succeed(Command::new(&certutil).args(["-N", "--empty-password", "-d", &database]));
    for (number, ca) in cas.iter().enumerate() {
        let name = format!("test-ca-{number}");
        let mut add = Command::new(&certutil);
        add.args(["-A", "-d", &database, "-t", "C,,", "-n", &name, "-i"]).arg(ca);
        process::succeed(&add);
    }
}
