//! Routes: to which sinks an alert goes, and with which others in one message.
//!
//! The routes are asked in order. The first that matches takes the alert,
//! unless it says that the next ones are asked as well. [`Routes::of`] and
//! [`Routes::explain`] come from the same decision and cannot disagree.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::matcher::{Facts, Matcher};
use crate::alert::Severity;
use crate::digest::{Parts, hex};
use crate::halt::Reach;

/// Goes into every group: a later form of the hash must not collide with this one.
const VERSION: &str = "runwatch:group:v1";

/// Where alerts of a kind go, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The name by which a detector may ask for it.
    pub name: Option<String>,
    /// All must match; without any, every alert does.
    pub matchers: Vec<Matcher>,
    /// The names of the sinks; none means that the alert is kept and not sent.
    pub sinks: Vec<String>,
    /// Whether the next routes are asked as well (`continue`).
    pub goes_on: bool,
    /// What is less than this it does not take, not even if asked for by name.
    pub min_severity: Option<Severity>,
    /// The labels in which the alerts of one message are equal, besides the
    /// project.
    pub group_by: Vec<String>,
    /// How long the first alert of a group waits for others.
    pub group_wait: Duration,
    /// The least time between two messages of a group.
    pub group_interval: Duration,
    /// How often it is told again that something still fires; none: never.
    pub repeat: Option<Duration>,
    /// How far its alerts halt their run; none: as the configuration says
    /// elsewhere.
    pub halt: Option<Reach>,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            name: None,
            matchers: Vec::new(),
            sinks: Vec::new(),
            goes_on: false,
            min_severity: None,
            group_by: vec!["run".to_owned()],
            group_wait: Duration::from_secs(5),
            group_interval: Duration::from_secs(60),
            repeat: Some(Duration::from_secs(6 * 60 * 60)),
            halt: None,
        }
    }
}

/// The routes of a configuration, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routes {
    routes: Vec<Route>,
}

/// A sink that an alert goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// The sink's name.
    pub sink: &'a str,
    /// The route that sends it there.
    pub route: &'a Route,
    /// The route's place among the routes, from 0.
    pub position: usize,
}

/// What a route did with an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained<'a> {
    /// The route's place among the routes, from 0.
    pub position: usize,
    /// The route.
    pub route: &'a Route,
    /// Why it took the alert, or why not.
    pub why: Why<'a>,
    /// The sinks that it sends the alert to and no route before it does.
    pub sinks: Vec<&'a str>,
}

/// Why a route took an alert, or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why<'a> {
    /// Taken: all its matchers match.
    Matched,
    /// Taken: the detector asked for it by name.
    Asked,
    /// Not taken: this is the first matcher that does not match.
    Differs(&'a Matcher),
    /// Not taken: the alert is less severe than this.
    TooMild(Severity),
    /// Not asked: the route at this place took the alert and does not go on.
    After(usize),
    /// Not asked: the detector wanted the route at this place.
    Elsewhere(usize),
}

impl Why<'_> {
    /// Whether the route took the alert.
    #[must_use]
    pub fn taken(self) -> bool {
        matches!(self, Self::Matched | Self::Asked)
    }
}

impl Route {
    /// Whether it takes every alert that gets to it.
    #[must_use]
    pub fn takes_everything(&self) -> bool {
        let everything = self
            .min_severity
            .is_none_or(|least| least == Severity::Info);
        self.matchers.is_empty() && everything
    }
}

impl Routes {
    /// These routes; if there are none, one that takes everything to all sinks.
    #[must_use]
    pub fn new(routes: Vec<Route>, all_sinks: &[String]) -> Self {
        if !routes.is_empty() {
            return Self { routes };
        }
        let everything = Route {
            sinks: all_sinks.to_vec(),
            ..Route::default()
        };
        Self {
            routes: vec![everything],
        }
    }

    /// The routes, in order.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The sinks that an alert goes to, each once: by the first route that
    /// names it.
    #[must_use]
    pub fn of(&self, facts: &Facts<'_>) -> Vec<Chosen<'_>> {
        let explained = self.explain(facts);
        let chosen = explained.into_iter().flat_map(|it| {
            let (route, position) = (it.route, it.position);
            it.sinks.into_iter().map(move |sink| Chosen {
                sink,
                route,
                position,
            })
        });
        chosen.collect()
    }

    /// What every route does with an alert, and why.
    #[must_use]
    pub fn explain(&self, facts: &Facts<'_>) -> Vec<Explained<'_>> {
        let wanted = self.wanted(facts);
        let mut last = None;
        let mut told = Vec::new();
        let explain = |(position, route)| {
            let why = match (wanted, last) {
                (Some(wanted), _) if wanted == position => Why::Asked,
                (Some(wanted), _) => Why::Elsewhere(wanted),
                (None, Some(last)) => Why::After(last),
                (None, None) => why(route, facts),
            };
            let mut sinks = Vec::new();
            if why.taken() {
                sinks = new_sinks(route, &mut told);
                last = last.or((!route.goes_on).then_some(position));
            }
            Explained {
                position,
                route,
                why,
                sinks,
            }
        };
        self.routes.iter().enumerate().map(explain).collect()
    }

    /// The place of the route that the detector asks for, if there is one and
    /// the alert is severe enough for it: a detector must not be able to page
    /// people with trifles.
    fn wanted(&self, facts: &Facts<'_>) -> Option<usize> {
        let name = facts.route?;
        let named = |route: &Route| route.name.as_deref() == Some(name);
        let position = self.routes.iter().position(named)?;
        let route = self.routes.get(position)?;
        too_mild(route, facts).is_none().then_some(position)
    }
}

/// Whether a route takes an alert when it is asked.
fn why<'a>(route: &'a Route, facts: &Facts<'_>) -> Why<'a> {
    let differs = route.matchers.iter().find(|it| !it.matches(facts));
    match (differs, too_mild(route, facts)) {
        (Some(matcher), _) => Why::Differs(matcher),
        (None, Some(least)) => Why::TooMild(least),
        (None, None) => Why::Matched,
    }
}

/// The least severity of the route, if the alert is below it.
fn too_mild(route: &Route, facts: &Facts<'_>) -> Option<Severity> {
    route
        .min_severity
        .filter(|least| facts.alert.severity < *least)
}

/// The route's sinks that are not among those told, which they join.
fn new_sinks<'a>(route: &'a Route, told: &mut Vec<&'a str>) -> Vec<&'a str> {
    let before = told.len();
    for sink in &route.sinks {
        if !told.contains(&sink.as_str()) {
            told.push(sink);
        }
    }
    told.iter().skip(before).copied().collect()
}

/// What the alerts of one message have in common, as 32 hexadecimal digits: the
/// route (by its name, else its position), the project, and the values of the
/// route's `group_by` labels in whatever order they are named.
#[must_use]
pub fn group_key(route: &Route, position: usize, facts: &Facts<'_>) -> String {
    let mut labels: Vec<&str> = route.group_by.iter().map(String::as_str).collect();
    labels.push("project");
    labels.sort_unstable();
    labels.dedup();
    let mut parts = Parts::after(b"");
    parts.add(VERSION);
    match &route.name {
        Some(name) => parts.add(format!("name {name}")),
        None => parts.add(format!("position {position}")),
    }
    for label in labels {
        let values = facts.values(label);
        parts.add(label);
        parts.add(values.len().to_string());
        for value in values {
            parts.add(value.as_bytes());
        }
    }
    hex(&parts.finish())
}
