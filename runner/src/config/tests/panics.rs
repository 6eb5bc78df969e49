//! Whatever is written, nothing panics.

use proptest::prelude::*;

use super::*;
use crate::config::show;

fn try_everything(text: &str, flag: &str) {
    let sealed = Sealed::with(text).set(flag).detector(flag);
    let _ = sealed.load().map_err(|error| error.to_string());
    let mut sealed = Sealed::with(text);
    sealed.flags.project = Some(flag.to_owned());
    if let Ok(loaded) = sealed.load()
        && let Ok(shown) = show(&loaded, &descriptions())
    {
        let again = Sealed::with(&shown).loaded();
        assert_eq!(plain(again.config).alerts, plain(loaded.config).alerts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), flag in any::<String>()) {
        try_everything(&text, &flag);
    }

    #[test]
    fn almost_toml_never_panics(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "\n", "\n", "\n", " = ", " = ", "[alerts]", "[detectors.loss-spike]", "[detectors.x]",
                "[names]", "[", "]", "{", "}", ",", "\"", "'", ".", "#", "project", "cooldown-steps",
                "cooldown-seconds", "window", "metrics", "path", "memory", "enable", "detectors",
                "detector", "\"a\\nb\"", "'off'", "\"64 MiB\"", "1", "-0.0", "1e999", "nan", "true",
                "2026-01-02", "0xFFFFFFFFFFFFFFFFF", "ä", "\u{0}", "\r", "\u{feff}",
            ]),
            0..24,
        ),
        flag in "[a-z.=-]{0,12}",
    ) {
        try_everything(&parts.concat(), &flag);
    }
}
