//! The environment variables of the tools that people come from: the sinks
//! that they stand for, as if these were written in the configuration.
//!
//! | variables | sink |
//! |---|---|
//! | `TRACKIO_WEBHOOK_URL`, `TRACKIO_WEBHOOK_MIN_LEVEL` | Slack or Discord by the host, else a webhook with Trackio's payload |
//! | `RLWATCH_SLACK_WEBHOOK_URL` | Slack |
//! | `RLWATCH_DISCORD_WEBHOOK_URL` | Discord |
//! | `RLWATCH_WEBHOOK_URL`, `RLWATCH_WEBHOOK_TEMPLATE` | a webhook with rlwatch's payload or template |
//! | `RLWATCH_EMAIL_TO`, `RLWATCH_EMAIL_FROM`, `RLWATCH_SMTP_HOST`, `…_PORT`, `…_USER`, `…_PASSWORD` | e-mail with STARTTLS |
//! | `FALLBACK_ALERT_TELEGRAM_BOT_TOKEN` and `FALLBACK_ALERT_TELEGRAM_CHAT_ID`; instead of each `TELEGRAM_BOT_TOKEN`, `TELEGRAM_HOME_CHANNEL` | Telegram |
//!
//! `RLWATCH_SLACK_CHANNEL` has no effect, here as there: a webhook has its
//! channel.

mod substitute;
#[cfg(test)]
mod tests;

use std::ffi::OsString;

use toml::{Table, Value};

use crate::alert::Severity;

/// A sink that variables stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its name, as in `[sinks.NAME]`.
    pub name: &'static str,
    /// Its type.
    pub kind: &'static str,
    /// Its settings. A secret is a reference to its variable, never its value.
    pub settings: Table,
    /// The least severity that it gets, if the variables say so.
    pub min_severity: Option<Severity>,
}

impl Found {
    fn new<const N: usize>(
        name: &'static str,
        kind: &'static str,
        settings: [(&str, Value); N],
    ) -> Self {
        let settings = settings.into_iter();
        Self {
            name,
            kind,
            settings: settings
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
            min_severity: None,
        }
    }
}

/// The sinks that the environment stands for. An empty variable is as good as
/// none.
///
/// # Errors
///
/// Names the variable with which one cannot do what it asks for.
pub fn sinks(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Vec<Found>, String> {
    let environment = Environment(variable);
    let mut found = Vec::new();
    found.extend(trackio(&environment)?);
    found.extend(rlwatch_chat(&environment)?);
    found.extend(rlwatch_webhook(&environment)?);
    found.extend(rlwatch_email(&environment)?);
    found.extend(fallback_telegram(&environment)?);
    Ok(found)
}

struct Environment<'a>(&'a dyn Fn(&str) -> Option<OsString>);

impl Environment<'_> {
    /// What a variable says, white space around it cut off.
    fn get(&self, name: &str) -> Result<Option<String>, String> {
        let Some(value) = (self.0)(name) else {
            return Ok(None);
        };
        let text = value
            .to_str()
            .ok_or_else(|| format!("`{name}` is not UTF-8"))?;
        let text = text.trim();
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    /// The first of these variables that says something.
    fn first(&self, names: &[&'static str]) -> Result<Option<(&'static str, String)>, String> {
        for &name in names {
            if let Some(text) = self.get(name)? {
                return Ok(Some((name, text)));
            }
        }
        Ok(None)
    }
}

fn reference(variable: &str) -> Value {
    Value::from(format!("env:{variable}"))
}

fn trackio(environment: &Environment) -> Result<Option<Found>, String> {
    const URL: &str = "TRACKIO_WEBHOOK_URL";
    let Some(url) = environment.get(URL)? else {
        return Ok(None);
    };
    let kind = recognised(&url);
    let mut found = Found::new(
        "trackio",
        kind.unwrap_or("webhook"),
        [("url", reference(URL))],
    );
    if kind.is_none() {
        found
            .settings
            .insert("payload".to_owned(), Value::from("trackio"));
    }
    found.min_severity = match environment.get("TRACKIO_WEBHOOK_MIN_LEVEL")? {
        Some(level) => Some(severity(&level)?),
        None => None,
    };
    Ok(Some(found))
}

/// The service behind an address, as Trackio recognises it.
fn recognised(url: &str) -> Option<&'static str> {
    let has = |part| url.contains(part);
    if has("hooks.slack.com") {
        Some("slack")
    } else if has("discord.com/api/webhooks") || has("discordapp.com/api/webhooks") {
        Some("discord")
    } else {
        None
    }
}

fn severity(level: &str) -> Result<Severity, String> {
    match level.to_ascii_lowercase().as_str() {
        "info" => Ok(Severity::Info),
        "warn" => Ok(Severity::Warning),
        "error" => Ok(Severity::Critical),
        _ => Err("`TRACKIO_WEBHOOK_MIN_LEVEL` must be `info`, `warn` or `error`".to_owned()),
    }
}

fn rlwatch_chat(environment: &Environment) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    for (name, kind, url) in [
        ("rlwatch-slack", "slack", "RLWATCH_SLACK_WEBHOOK_URL"),
        ("rlwatch-discord", "discord", "RLWATCH_DISCORD_WEBHOOK_URL"),
    ] {
        if environment.get(url)?.is_some() {
            found.push(Found::new(name, kind, [("url", reference(url))]));
        }
    }
    Ok(found)
}

fn rlwatch_webhook(environment: &Environment) -> Result<Option<Found>, String> {
    const URL: &str = "RLWATCH_WEBHOOK_URL";
    if environment.get(URL)?.is_none() {
        return Ok(None);
    }
    let body = match environment.get("RLWATCH_WEBHOOK_TEMPLATE")? {
        Some(template) => ("template", Value::from(substitute::template(&template))),
        None => ("payload", Value::from("rlwatch")),
    };
    let settings = [("url", reference(URL)), body];
    Ok(Some(Found::new("rlwatch-webhook", "webhook", settings)))
}

/// rlwatch sends mail with STARTTLS always, and logs in if it has a user and a
/// password.
fn rlwatch_email(environment: &Environment) -> Result<Option<Found>, String> {
    const PASSWORD: &str = "RLWATCH_SMTP_PASSWORD";
    let Some(to) = environment.get("RLWATCH_EMAIL_TO")? else {
        return Ok(None);
    };
    let to = to.split(',').map(str::trim).filter(|to| !to.is_empty());
    let host = environment.get("RLWATCH_SMTP_HOST")?;
    let host = host.unwrap_or_else(|| "smtp.gmail.com".to_owned());
    let port = match environment.get("RLWATCH_SMTP_PORT")? {
        Some(port) => port
            .parse::<u16>()
            .map_err(|_| "`RLWATCH_SMTP_PORT` must be the number of a port")?,
        None => 587,
    };
    let settings = [
        ("server", Value::from(format!("{host}:{port}"))),
        ("encryption", Value::from("starttls")),
        ("to", to.map(Value::from).collect::<Vec<_>>().into()),
    ];
    let mut found = Found::new("rlwatch-email", "email", settings);
    let mut set = |key: &str, value| found.settings.insert(key.to_owned(), value);
    let user = environment.get("RLWATCH_SMTP_USER")?;
    let from = environment.get("RLWATCH_EMAIL_FROM")?;
    if let Some(from) = from.or_else(|| user.clone()) {
        set("from", Value::from(from));
    }
    if let Some(user) = user
        && environment.get(PASSWORD)?.is_some()
    {
        set("user", Value::from(user));
        set("password", reference(PASSWORD));
    }
    Ok(Some(found))
}

/// Without both the plugin does nothing.
fn fallback_telegram(environment: &Environment) -> Result<Option<Found>, String> {
    let token = environment.first(&["FALLBACK_ALERT_TELEGRAM_BOT_TOKEN", "TELEGRAM_BOT_TOKEN"])?;
    let chat = environment.first(&["FALLBACK_ALERT_TELEGRAM_CHAT_ID", "TELEGRAM_HOME_CHANNEL"])?;
    let (Some((token, _)), Some((_, chat))) = (token, chat) else {
        return Ok(None);
    };
    let settings = [("token", reference(token)), ("chat", Value::from(chat))];
    Ok(Some(Found::new("fallback-telegram", "telegram", settings)))
}
