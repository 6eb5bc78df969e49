//! `[sinks.*]`, `[[routes]]`, `[[inhibit]]` and `[labels]`: what is wrong with
//! them, and that `config show` says what they are.

use super::*;
use crate::config::show;
use crate::deliver::matcher::Matcher;

const TEAM: &str = "[sinks.team]\ntype = 'slack'\nurl = 'env:SLACK_URL'\n";

/// The error of this text below a good sink, whose lines count 1 to 3.
fn wrong(text: &str) -> String {
    Sealed::with(&format!("{TEAM}{text}")).error()
}

#[test]
fn a_literal_secret_is_refused_with_the_fix() {
    let text = "[sinks.on-call]\ntype = 'webhook'\nurl = 'https://example.com/hook?token=hunter2'\n\
                signing-key = 'hunter2'\nheaders = { X-Api-Key = 'hunter2', X-Team = 'vision' }\n";
    let error = Sealed::with(text).error();
    let told = |place: &str, key: &str, variable: &str| {
        format!(
            "runwatch.toml:{place}: `{key}` is a secret, and a configuration file is no place for \
             one\nhint: put it into an environment variable and write {key} = \"env:{variable}\", \
             into a file and write {key} = \"file:PATH\", or have a command print it: {key} = \
             \"cmd:COMMAND\""
        )
    };
    let expected = [
        told("3:7", "url", "ON_CALL_URL"),
        told("4:15", "signing-key", "ON_CALL_SIGNING_KEY"),
        told("5:25", "X-Api-Key", "ON_CALL_X_API_KEY"),
    ];
    assert_eq!(error, expected.join("\n"));
}

#[test]
fn an_address_without_a_token_may_be_written_out() {
    for (url, fine) in [
        ("https://alertmanager.example.com", true),
        ("http://10.0.0.7:9093/prefix", true),
        ("https://example.com/hooks/0123456789abcdef", false),
        ("https://me:word@example.com", false),
        ("https://example.com/?a=b", false),
        ("example.com", false),
    ] {
        let text = format!("[sinks.am]\ntype = 'alertmanager'\nurl = '{url}'\n");
        assert_eq!(Sealed::with(&text).load().is_ok(), fine, "{url}");
    }
}

#[test]
fn sinks_that_are_not_there_are_guessed() {
    assert_eq!(
        wrong("[sinks.b]\ntype = 'slak'\n"),
        "runwatch.toml:5:8: there is no type of sink `slak`\nhint: did you mean `slack`?"
    );
    assert_eq!(
        wrong("[sinks.b]\ntype = 'slack'\nurl = 'env:B'\nmin_severity = 'info'\n"),
        "runwatch.toml:7:1: a sink of type `slack` takes no `min_severity`\n\
         hint: did you mean `min-severity`?"
    );
    assert_eq!(
        wrong("[[routes]]\nsinks = ['taem']\n"),
        "runwatch.toml:5:9: there is no sink `taem`\nhint: did you mean `team`?"
    );
    assert_eq!(
        wrong("[[routes]]\nsinks = ['phone']\n"),
        "runwatch.toml:5:9: there is no sink `phone`\nhint: there are `team`"
    );
    assert_eq!(
        Sealed::with("[[routes]]\nsinks = ['phone']\n").error(),
        "runwatch.toml:2:9: there is no sink `phone`\nhint: write `[sinks.phone]` with a `type`"
    );
    assert_eq!(
        wrong("[sinks.'On Call']\ntype = 'slack'\n"),
        "runwatch.toml:4:8: `On Call` is no name for a sink\n\
         hint: a name is lower-case words joined by `-`"
    );
}

#[test]
fn a_sink_without_what_it_needs_says_how_to_give_it() {
    let error = wrong("[sinks.page]\nurl = 'env:X'\n");
    assert!(
        error.starts_with("runwatch.toml:4:8: `[sinks.page]` has no `type`\nhint: there are `"),
        "{error}"
    );
    let error = wrong("[sinks.page]\ntype = 'pagerduty'\n");
    assert!(
        error.starts_with("runwatch.toml:4:8: `[sinks.page]` has no `routing-key`\nhint: ")
            && error.ends_with(" Write routing-key = \"env:PAGE_ROUTING_KEY\""),
        "{error}"
    );
}

#[test]
fn routes_that_cannot_be_meant() {
    assert_eq!(
        wrong("[[routes]]\nmatch = 'severity=critical'\n"),
        "runwatch.toml:5:1: a route has no `sinks`\n\
         hint: write sinks = [\"NAME\"]; [] keeps alerts without sending them"
    );
    assert_eq!(
        wrong("[[routes]]\nsinks = ['team']\nmacth = 'severity=critical'\n"),
        "runwatch.toml:6:1: unknown key `macth` in `[[routes]]`\nhint: did you mean `match`?"
    );
    assert_eq!(
        wrong("[routes]\nsinks = ['team']\n"),
        "runwatch.toml:4:1: `routes` must be a list of tables, not a table\n\
         hint: write `[[routes]]` on a line of its own"
    );
    assert_eq!(
        wrong("[[routes]]\nname = 'a'\nsinks = []\n[[routes]]\nname = 'a'\nsinks = []\n"),
        "runwatch.toml:8:8: another route has this name"
    );
    assert_eq!(
        wrong("[[routes]]\nsinks = ['team']\ngroup-by = ['rnu']\nrepeat = '1s'\n"),
        "runwatch.toml:6:12: there is no label `rnu`\nhint: did you mean `run`?\n\
         runwatch.toml:7:10: `repeat` must be a duration from 1m to 7d such as \"6h\", or \"off\", \
         not \"1s\""
    );
}

/// Each mistake in a matcher is shown at its character.
#[test]
fn a_bad_matcher_is_shown_at_its_character() {
    for (matcher, place) in [
        ("severty=critical", "character 1"),
        ("run=~(", "character 6"),
        ("severity=bad", "character 10"),
        ("run=a,,rank=1", "character 7"),
    ] {
        let error = wrong(&format!("[[routes]]\nsinks = []\nmatch = ['{matcher}']\n"));
        let line = error.lines().next().unwrap();
        assert!(
            line.starts_with(&format!("runwatch.toml:6:9: `{matcher}`: "))
                && line.ends_with(&format!("({place})")),
            "{error}"
        );
    }
}

#[test]
fn inhibitions_that_cannot_be_meant() {
    assert_eq!(
        wrong("[[inhibit]]\nsource = 'killed'\n"),
        "runwatch.toml:5:1: an `[[inhibit]]` has no `target`\n\
         hint: without both `source` and `target` it would mute nothing"
    );
    assert_eq!(
        wrong("[[inhibit]]\nsource = 'killed'\ntarget = 'plateau'\nequals = ['run']\n"),
        "runwatch.toml:7:1: unknown key `equals` in `[[inhibit]]`\nhint: did you mean `equal`?"
    );
    assert_eq!(
        wrong("[[inhibit]]\nsource = 'killed'\ntarget = 'plateau'\nequal = ['rnu']\n"),
        "runwatch.toml:7:9: there is no label `rnu`\nhint: did you mean `run`?"
    );
}

#[test]
fn a_label_must_not_be_one_that_alerts_have() {
    assert_eq!(
        wrong("[labels]\nteam = 'vision'\nrun = 'mine'\n"),
        "runwatch.toml:6:1: every alert has a label `run` already\nhint: give yours another name"
    );
    let sealed =
        Sealed::with("[labels]\nteam = 'vision'\n[[routes]]\nmatch = 'team=vision'\nsinks = []\n");
    let routes = sealed.loaded().config.routes;
    let matchers = routes[0].matchers.iter().map(Matcher::to_string);
    assert_eq!(matchers.collect::<Vec<_>>(), ["team=vision"]);
}

const EVERYTHING: &str = "[sinks.team]
type = 'slack'
url = 'env:SLACK_URL'
min-severity = 'warning'
timeout = '3s'
proxy = 'cmd:proxy of mine'
[sinks.hook]
type = 'webhook'
url = 'https://example.com/hook'
headers = { Authorization = 'file:/run/token', X-Team = 'a \"b\"' }
[sinks.off]
type = 'ntfy'
topic = 'file:/run/topic'
enabled = false
[sinks.mine]
type = 'exec'
command = ['sh', '-c', 'echo \"x\"']
[[routes]]
name = 'pages'
match = ['severity=critical', 'run=~\"prod-.*\"', 'kind=night']
sinks = ['team', 'off']
continue = true
group-by = ['run', 'kind']
repeat = 'off'
[[routes]]
sinks = ['hook']
min-severity = 'warning'
group-wait = '0s'
[[inhibit]]
source = 'killed'
target = 'detector=~\"loss-.*\"'
equal = ['run']
[labels]
kind = 'night'
[delivery]
inhibit = false
";

#[test]
fn show_names_secrets_and_never_tells_them() {
    let shown = show(&Sealed::with(EVERYTHING).loaded(), &descriptions()).unwrap();
    for line in [
        "[sinks.team]",
        "url = \"env:SLACK_URL\"",
        "proxy = \"cmd:proxy of mine\"",
        "[sinks.hook.headers]",
        "Authorization = \"file:/run/token\"",
        "topic = \"file:/run/topic\"",
        "enabled = false",
    ] {
        assert!(
            shown.lines().any(|shown| shown.starts_with(line)),
            "{line}\n{shown}"
        );
    }
}

#[test]
fn show_means_the_same_for_sinks_and_routes() {
    let before = Sealed::with(EVERYTHING).loaded();
    let again = Sealed::with(&show(&before, &descriptions()).unwrap());
    let after = again.load().unwrap_or_else(|error| panic!("{error}"));
    let sinks = |loaded: &Loaded| {
        let mut sinks = loaded.config.sinks.clone();
        sinks
            .iter_mut()
            .for_each(|sink| sink.at = Default::default());
        sinks
    };
    assert_eq!(sinks(&before), sinks(&after));
    let (before, after) = (before.config, after.config);
    assert_eq!(before.sinks.len(), 3);
    assert_eq!(before.routes.len(), 2);
    assert_eq!(before.routes, after.routes);
    assert_eq!(before.inhibitions, after.inhibitions);
    assert_eq!(before.labels, after.labels);
    assert_eq!(before.delivery, after.delivery);
}

#[test]
fn a_sink_that_is_switched_off_gets_nothing() {
    let config = Sealed::with(EVERYTHING).loaded().config;
    assert_eq!(config.routes[0].sinks, ["team"]);
}

#[test]
fn the_variables_of_other_tools_are_sinks_if_asked_for() {
    let url = "https://hooks.slack.com/services/T0/B0/hunter2";
    let mut sealed = Sealed::new().variable("TRACKIO_WEBHOOK_URL", url);
    assert_eq!(sealed.loaded().config.sinks.len(), 0);
    sealed.flags.compat_env = true;
    let loaded = sealed.loaded();
    let names: Vec<_> = loaded
        .config
        .sinks
        .iter()
        .map(|sink| (&*sink.name, sink.kind))
        .collect();
    assert_eq!(names, [("trackio", "slack")]);
    let shown = show(&loaded, &descriptions()).unwrap();
    assert!(
        shown.contains("url = \"env:TRACKIO_WEBHOOK_URL\""),
        "{shown}"
    );
    assert!(!shown.contains("hunter2"));
}
