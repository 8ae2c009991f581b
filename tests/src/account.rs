//! A throw-away local user with a password, for logins to a real sshd.

use std::{path::PathBuf, process::Command};

use nix::unistd::{Uid, User};

use crate::{process, program, scratch};

/// A local user that is removed when the test process ends.
#[derive(Debug)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Password. It carries the mark by which a leak into a log would be found.
    pub password: String,
    /// Home directory.
    pub home: PathBuf,
}

impl Account {
    /// Makes a user.
    ///
    /// # Panics
    /// Unless root runs the tests: a test that needs another user can't run without.
    pub fn create() -> Self {
        Self::named(&format!("gangplank-t{}", hex::encode(random::<4>())))
    }

    /// Makes a user with a name that must be free.
    ///
    /// # Panics
    /// Unless root runs the tests, or when there is such a user already.
    pub fn named(name: &str) -> Self {
        assert!(Uid::effective().is_root(), "tests that log in with a password need root");
        let password = canary("password");
        process::succeed(Command::new(program::installed("useradd")).args([
            "--create-home",
            "--shell",
            "/bin/bash",
            name,
        ]));
        let shadow = process::run_with_input(
            &Command::new(program::installed("chpasswd")),
            &format!("{name}:{password}\n"),
        );
        scratch::at_exit(&format!(
            "for n in 1 2 3 4 5; do userdel --force --remove {name} && break; sleep 0.2; done"
        ));
        assert_eq!(shadow.code, Some(0), "{shadow:?}");
        let user = User::from_name(name).expect("a readable passwd").expect("the new user");
        Self { name: name.to_owned(), password, home: user.dir }
    }
}

/// Random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// A secret that is easily found wherever it must not be.
pub fn canary(kind: &str) -> String {
    format!("CANARY-{kind}-{}", hex::encode(random::<8>()))
}
