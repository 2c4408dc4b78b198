//! The floors of the house: a module names only what stands before it, and floor 0 only the
//! standard library.

use std::fs;
use std::path::{Path, PathBuf};

/// Every module of the crate in reading order, with its floor.
const ORDER: [(&str, u8); 33] = [
    ("counting", 0),
    ("revision", 0),
    ("admission", 0),
    ("autoscale", 0),
    ("model_scan", 0),
    ("sync", 1),
    ("schedule", 1),
    ("ports", 1),
    ("stats", 1),
    ("trace", 1),
    ("guests", 1),
    ("loads", 1),
    ("callers", 1),
    ("shares", 1),
    ("throttler", 1),
    ("decisions", 1),
    ("autoscaler", 1),
    ("gauging", 1),
    ("tls", 1),
    ("registry", 1),
    ("peers", 1),
    ("backend", 2),
    ("proxy", 3),
    ("server", 3),
    ("telemetry", 4),
    ("state", 4),
    ("sample_model", 4),
    ("config", 4),
    ("explain", 4),
    ("admin", 4),
    ("simulate", 4),
    ("whatif", 4),
    ("cli", 4),
];

/// Knows everybody, and nobody knows it.
const TOP: &str = "app";

/// What floor 0 may begin a path with.
const FLOOR_0: [&str; 4] = ["std", "crate", "super", "self"];

#[test]
fn a_module_names_only_what_stands_before_it() {
    let mut wrong = Vec::new();
    for (place, (module, _)) in ORDER.iter().enumerate() {
        for (file, line, text) in lines(module) {
            for named in crate_paths(&text) {
                let allowed = ORDER[..=place].iter().any(|(known, _)| *known == named);
                if !allowed {
                    wrong.push(format!("{}:{line} names {named}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn floor_0_is_the_standard_library_only() {
    let mut wrong = Vec::new();
    for (module, _) in ORDER.iter().filter(|(_, floor)| *floor == 0) {
        for (file, line, text) in lines(module) {
            let text = text.trim_start();
            let Some(path) = text
                .strip_prefix("use ")
                .or_else(|| text.strip_prefix("pub use "))
            else {
                continue;
            };
            let first: String = path
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            let own = module_children(module).contains(&first);
            if !own && !FLOOR_0.contains(&first.as_str()) {
                wrong.push(format!("{}:{line} uses {first}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_has_its_place() {
    let map = fs::read_to_string(source().join("lib.rs")).expect("lib.rs is there");
    let listed: Vec<&str> = map
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let placed: Vec<&str> = ORDER
        .iter()
        .map(|(module, _)| *module)
        .chain([TOP])
        .collect();
    assert_eq!(listed, placed, "lib.rs and this order differ");
}

#[test]
fn only_the_registry_has_a_dash_map() {
    for (module, _) in ORDER {
        if module != "registry" {
            for (file, line, text) in lines(module) {
                assert!(!text.contains("dashmap"), "{}:{line}", file.display());
            }
        }
    }
}

#[test]
fn the_data_path_sees_no_configuration_file() {
    for module in ["proxy", "server"] {
        for (file, line, text) in lines(module) {
            assert!(!text.contains("config::"), "{}:{line}", file.display());
        }
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every line of a module outside its tests, with where it stands.
fn lines(module: &str) -> Vec<(PathBuf, usize, String)> {
    let mut found = Vec::new();
    for file in files(module) {
        let text = fs::read_to_string(&file).expect("a source file can be read");
        for (number, line) in (1..).zip(text.lines()) {
            if line.starts_with("#[cfg(test)]") && text.contains("mod tests {") {
                break;
            }
            if !line.trim_start().starts_with("//") {
                found.push((file.clone(), number, line.to_owned()));
            }
        }
    }
    assert!(!found.is_empty(), "there is no module {module}");
    found
}

fn files(module: &str) -> Vec<PathBuf> {
    let single = source().join(format!("{module}.rs"));
    if single.exists() {
        return vec![single];
    }
    let mut files = Vec::new();
    let mut folders = vec![source().join(module)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
            if path.is_dir() && !is_test {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !is_test {
                files.push(path);
            }
        }
    }
    files
}

/// The names of everything within a module: what a `use` in it may begin with.
fn module_children(module: &str) -> Vec<String> {
    let names = |path: &PathBuf| {
        let path = path.with_extension("");
        let parts = path.iter().map(|part| part.to_string_lossy().into_owned());
        parts.collect::<Vec<_>>()
    };
    files(module).iter().flat_map(names).collect()
}

/// The first segments of every `crate::…` path in a line, those in braces included.
fn crate_paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let word = |text: &str| -> String {
            text.trim()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        };
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = list.split('}').next().unwrap_or_default();
                found.extend(list.split(',').map(word).filter(|name| !name.is_empty()));
            }
            None => found.push(word(rest)),
        }
    }
    found
}
