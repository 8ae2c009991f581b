//! Every target, with inputs that a count decides: the same ones in each run. A run of libFuzzer
//! (`cargo xtask soak fuzz`) finds more; this keeps what holds holding.

mod random;

use std::{fs, path::Path};

use gangplank_fuzz::{TARGETS, Target};
use random::Random;

/// Longest input, in bytes: somewhat beyond a piece of channel data.
const LONGEST: usize = 17_000;

/// Says which input went wrong.
struct Case<'a> {
    target: &'a str,
    seed: u64,
    input: &'a [u8],
}

impl Drop for Case<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { target, seed, input } = self;
            eprintln!("target {target}, seed {seed}, input b\"{}\"", input.escape_ascii());
        }
    }
}

/// Runs a target with its seeds as they are, then with `count` inputs.
fn run(name: &str, count: u64) {
    let (_, target) = TARGETS.into_iter().find(|(target, _)| *target == name).unwrap();
    let seeds = seeds(name);
    for (seed, input) in seeds.iter().enumerate() {
        check(name, target, seed as u64, input);
    }
    for seed in 0..count {
        let mut random = Random::new(seed);
        let input = match seeds.get(random.below(2 * seeds.len() + 1)) {
            Some(valid) => random.mutated(valid),
            None => random.bytes(LONGEST),
        };
        check(name, target, seed, &input);
    }
}

fn check(name: &str, target: Target, seed: u64, input: &[u8]) {
    let _case = Case { target: name, seed, input };
    target(input);
}

/// Valid inputs, in the order of their names; none for targets whose every input is valid.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
    let Ok(files) = fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

macro_rules! targets {
    ($($name:ident: $count:literal),* $(,)?) => {
        $(#[test]
        fn $name() {
            run(stringify!($name), $count);
        })*

        #[test]
        fn every_target_is_run_here_and_by_libfuzzer() {
            let names = [$(stringify!($name)),*];
            assert_eq!(TARGETS.map(|(name, _)| name), names);
            let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
            let mut programs: Vec<_> = fs::read_dir(programs)
                .unwrap()
                .map(|file| file.unwrap().path().file_stem().unwrap().to_owned())
                .collect();
            programs.sort();
            assert_eq!(programs, names);
        }
    };
}

targets! {
    frame: 20_000,
    input_log: 150,
    link: 40_000,
    page: 40_000,
    patchmon: 40_000,
    playback: 1_000,
    resume: 500,
    ring: 400,
    server_url: 20_000,
    stream: 30_000,
    utf8: 20_000,
    window: 4_000,
    xccdf: 10_000,
}
