//! `[halt]`, `[restart]`, and `halt` of detectors and routes.

use std::time::Duration;

use super::*;
use crate::config::{Halt, Restart};
use crate::halt::{By, On, Reach, Usr1};

#[test]
fn halting_is_off_unless_asked_for() {
    let config = Sealed::new().loaded().config;
    let halt = Halt {
        on: On::Off,
        up_to: Reach::Kill,
        dry_run: false,
        hook: Vec::new(),
        hook_timeout: Duration::from_secs(60),
        file_timeout: Duration::from_secs(60),
        usr1: Usr1::Off,
        usr1_timeout: Duration::from_secs(30),
        term_timeout: Duration::from_secs(30),
        by: By::Any,
    };
    assert_eq!(config.halt, halt);
    assert!(config.detectors.iter().all(|it| it.halt.is_none()));
    let restart = Restart {
        on_halt: false,
        on_crash: false,
        attempts: 3,
        progress: 100,
        backoff: Duration::from_secs(30),
        window: Duration::from_secs(3600),
    };
    assert_eq!(config.restart, restart);
}

#[test]
fn all_of_it_can_be_said() {
    let text = "[halt]\non = 'asked'\nup-to = 'file'\ndry-run = true\nhook = ['/bin/save', '-q']\n\
                hook-timeout = '5m'\nfile-timeout = '0s'\nusr1 = 'checkpoint'\nby = 'rank-0'\n\
                [restart]\non = ['halt', 'crash']\nattempts = 1\n\
                [detectors.loss-spike]\nhalt = 'signal'\n\
                [[routes]]\nsinks = []\nhalt = 'off'\n";
    let sealed = Sealed::with(text);
    let loaded = sealed.loaded();
    let config = &loaded.config;
    assert_eq!(
        (config.halt.on, config.halt.up_to),
        (On::Asked, Reach::File)
    );
    assert!(config.halt.dry_run);
    assert_eq!(config.halt.hook, ["/bin/save", "-q"]);
    assert_eq!(config.halt.hook_timeout, Duration::from_secs(300));
    assert_eq!(config.halt.file_timeout, Duration::ZERO);
    assert_eq!(
        (config.halt.usr1, config.halt.by),
        (Usr1::Checkpoint, By::RankZero)
    );
    assert!(config.restart.on_halt && config.restart.on_crash);
    assert_eq!(sealed.of(&loaded, "loss-spike").halt, Some(Reach::Signal));
    assert_eq!(config.routes[0].halt, Some(Reach::Off));
}

#[test]
fn what_is_wrong_is_said_with_what_would_fit() {
    let wrong = |text: &str| Sealed::with(text).error();
    assert_eq!(
        wrong("[halt]\non = 'crtical'\nup-to = 'off'"),
        "runwatch.toml:2:6: `on` must be one of \"off\", \"asked\", \"critical\", \"warning\", not \
         \"crtical\"\nhint: did you mean `critical`?\n\
         runwatch.toml:3:9: `up-to` must be one of \"file\", \"signal\", \"kill\", not \"off\""
    );
    assert_eq!(
        wrong("[halt]\nhook = '/bin/save'\n[restart]\non = ['always']"),
        "runwatch.toml:2:8: `hook` must be a program and its arguments such as \
         [\"/opt/checkpoint.sh\", \"--now\"], not \"/bin/save\"\n\
         runwatch.toml:4:6: `on` must be a list of \"halt\" and \"crash\", not a list"
    );
    let detector = wrong("[detectors.loss-spike]\nhalt = 'kil'");
    assert!(
        detector.contains("hint: did you mean `kill`?"),
        "{detector}"
    );
    let route = wrong("[[routes]]\nsinks = []\nhalt = true");
    assert!(route.contains("`halt` must be one of"), "{route}");
}
