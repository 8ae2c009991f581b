//! Which daemon a command is for, and the way to it: its socket while it runs, its store while it
//! doesn't.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, User, initgroups, setgid, setuid};

use super::output::Failure;
use super::{Place, Within};
use crate::admin::socket::{SocketError, ask};
use crate::admin::{Admin, Request, Response};
use crate::audit::By;
use crate::auth::{Auth, ServerSecret};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, RunMode, Sources};
use crate::store::{DataDir, Store, StoreError};

/// The file that is read when none is named.
pub(super) const FILE: &str = "/etc/gangplank/gangplankd.toml";

impl Place {
    /// The configuration that this place means.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        Ok(self.read()?)
    }

    /// The same, for whoever wants the problems themselves.
    pub(super) fn read(&self) -> Result<Config, ConfigError> {
        let (sources, mode) = self.sources();
        Config::load(&sources, mode)
    }

    fn sources(&self) -> (Sources, RunMode) {
        let usual = || (self.data_dir.is_none() && Path::new(FILE).exists()).then(|| FILE.into());
        let file: Option<PathBuf> = self.config.clone().or_else(usual);
        let mode = if file.is_some() { RunMode::Serve } else { RunMode::Up };
        let mut sources = Sources::of_process(file);
        if let Some(directory) = &self.data_dir {
            sources.flags.push(("data_dir", "--data-dir", directory.display().to_string()));
        }
        (sources, mode)
    }

    /// Does a request, by the running daemon if there is one.
    pub(super) fn request(&self, request: Request) -> Result<Response, Failure> {
        let config = self.load()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::new)?;
        let response = runtime.block_on(async {
            match ask(&config.data_dir, &request).await {
                Err(SocketError::NotRunning(_)) => on_store(&config, request).await,
                asked => asked.map_err(Failure::new),
            }
        })?;
        match response {
            Response::Failed { message } => Err(Failure::new(message)),
            response => Ok(response),
        }
    }

    /// Asks the running daemon, and nothing else.
    pub(super) fn ask_running(&self, request: &Request) -> Result<Response, Failure> {
        let config = self.load()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::new)?;
        match runtime.block_on(ask(&config.data_dir, request)).map_err(Failure::new)? {
            Response::Failed { message } => Err(Failure::new(message)),
            response => Ok(response),
        }
    }
}

impl Within {
    /// Does a request in the tenant that is meant.
    pub(super) fn request(&self, request: Request) -> Result<Response, Failure> {
        self.place.request(match &self.tenant {
            Some(tenant) => Request::Within { tenant: tenant.clone(), wanted: Box::new(request) },
            None => request,
        })
    }
}

/// Does a request on the store itself, whose lock is held meanwhile.
async fn on_store(config: &Config, request: Request) -> Result<Response, Failure> {
    let uid = Uid::effective();
    become_owner(&config.data_dir)?;
    let directory = match DataDir::open(&config.data_dir) {
        // A daemon that is just starting has the lock already and its socket in a moment.
        Err(StoreError::InUse(path)) => {
            return Err(Failure::new(format!(
                "{}: a gangplankd is starting or stopping there; try again",
                path.display()
            )));
        }
        directory => directory.map_err(Failure::new)?,
    };
    let secret = match &config.auth.secret {
        Some(secret) => ServerSecret::new(secret.expose().as_bytes().to_vec()),
        None => ServerSecret::load_or_create(&directory).map_err(Failure::new)?,
    };
    let store = Store::open(directory).await.map_err(Failure::new)?;
    let clock = Clock::system();
    let tenant = store.bootstrap(&By::daemon(clock.now())).await.map_err(Failure::new)?;
    let auth = Auth::new(store.clone(), clock.clone(), &secret);
    let admin = Admin::new(store.clone(), auth, clock, tenant.id);
    let response = admin.execute(uid.as_raw(), request).await;
    store.close().await;
    Ok(response)
}

/// When root works on a directory of another user, it becomes that user, so that no file changes its
/// owner.
pub(super) fn become_owner(directory: &Path) -> Result<(), Failure> {
    let Ok(owner) = directory.metadata() else { return Ok(()) };
    if !Uid::effective().is_root() || owner.uid() == 0 {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
    let name =
        User::from_uid(uid).ok().flatten().and_then(|user| std::ffi::CString::new(user.name).ok());
    let turn = || {
        if let Some(name) = &name {
            initgroups(name, gid)?;
        }
        setgid(gid)?;
        setuid(uid)
    };
    turn().map_err(|error| Failure::new(format!("can't become the owner of the data: {error}")))
}
