//! The known word that somebody probably meant.

use strsim::osa_distance;

/// The known path nearest to a key that was written below a prefix: a similar one at the same
/// place, else one that ends alike elsewhere.
pub(super) fn nearest(
    key: &str,
    prefix: &str,
    known: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let paths: Vec<&'static str> = known.collect();
    let here = |path: &'static str| {
        let rest = if prefix.is_empty() {
            path
        } else {
            path.strip_prefix(prefix)?.strip_prefix('.')?
        };
        rest.split('.').next()
    };
    similar(key, paths.iter().filter_map(|path| here(path))).or_else(|| {
        let last = |path: &'static str| path.rsplit('.').next();
        let ending = similar(key, paths.iter().filter_map(|path| last(path)))?;
        paths
            .iter()
            .copied()
            .find(|path| last(path) == Some(ending))
    })
}

/// The most similar word, if it is similar at all.
pub(super) fn similar<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = word.to_lowercase().replace(['-', '_'], "");
    known
        .map(|candidate| {
            (
                osa_distance(&plain, &candidate.to_lowercase().replace(['-', '_'], "")),
                candidate,
            )
        })
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3)
        .map(|(_, candidate)| candidate)
}

/// A message with the word that was probably meant behind it.
pub(super) fn or_the_nearest(message: &str, nearest: Option<&str>) -> String {
    match nearest {
        Some(known) => format!("{message}, the nearest known one is {known}"),
        None => message.to_owned(),
    }
}

/// The three known names that are most like one that nobody knows, the most similar first.
pub(crate) fn nearest_names<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut known: Vec<&str> = known.collect();
    known.sort_by_key(|candidate| osa_distance(name, candidate));
    known.truncate(3);
    known
}
