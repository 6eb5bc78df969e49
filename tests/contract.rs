//! What was built against a published contract keeps loading.

#![allow(clippy::unwrap_used)]

use runwatch::alert::{Severity, State};
use runwatch::sandbox::cache::Cache;
use runwatch::sandbox::instance::{Columns, Series};
use runwatch::sandbox::{Component, Engine, Instance, Limits};

const V0_1_0: &str = include_str!("fixtures/contract/v0.1.0.wat");

fn load(text: &str) -> anyhow::Result<Component> {
    let bytes = wat::parse_str(text).expect("the fixture is WebAssembly");
    let engine = Engine::new().expect("this machine runs WebAssembly");
    Component::load(&engine, &Cache::none(), &Limits::default(), &bytes)
}

#[test]
fn version_0_1_0_does_all_that_it_did() {
    let component = load(V0_1_0).unwrap();
    assert_eq!(component.contract, "0.1.0");
    assert_eq!(component.denied().count(), 0);
    let description = &component.description;
    assert_eq!(
        (&*description.name, &*description.version),
        ("loss-above", "1.0.0")
    );
    let parameter = &description.parameters[0];
    assert_eq!(parameter.limits, [("choices".into(), "a,b".into())]);

    let mut instance = Instance::new(&component).unwrap();
    let parameters = [("note".to_owned(), "a".to_owned())];
    let monitor = instance.open(&[], &parameters).unwrap().unwrap();
    let interests = instance.interests(monitor).unwrap();
    let asked: Vec<_> = interests
        .iter()
        .map(|it| (it.kind.as_str(), it.pattern.as_str()))
        .collect();
    assert_eq!(asked, [("metric", "loss"), ("tick", "5")]);

    let loss = Series {
        index: 0,
        name: "loss",
        source: "train/loss",
    };
    instance.define(monitor, &[loss]).unwrap();
    let columns = Columns {
        steps: &[1, 2, 3],
        times: &[f64::NAN; 3],
        ranks: &[0; 3],
        indices: &[0; 3],
        rows: &[0, 1, 2],
        values: &[2.0, 10.5, f64::NAN],
        texts: &[],
    };
    let found = instance.observe(monitor, &columns).unwrap();
    let [(Some(1), finding)] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(
        (&*finding.key, finding.severity),
        ("above-ten", Severity::Warning)
    );
    assert_eq!(finding.state, State::Firing);
    assert_eq!(finding.values, [("loss".to_owned(), 10.5)]);
    assert_eq!(instance.tick(monitor, 5.0).unwrap()[0].1.key, "ticked");
    assert_eq!(
        instance.finish(monitor, "completed").unwrap()[0].1.key,
        "finished"
    );

    let state = instance.save(monitor).unwrap().unwrap();
    assert_eq!(state, 1_u32.to_le_bytes());
    assert_eq!(instance.restore(monitor, &state).unwrap(), Ok(()));
    assert!(instance.restore(monitor, b"no state").unwrap().is_err());
}

#[test]
fn a_patch_release_is_the_same_contract() {
    let component = load(&V0_1_0.replace("@0.1.0", "@0.1.7")).unwrap();
    assert_eq!(component.contract, "0.1.7");
}

#[test]
fn another_contract_is_refused_by_its_version() {
    let Err(error) = load(&V0_1_0.replace("@0.1.0", "@0.2.0")) else {
        panic!("it was loaded");
    };
    let error = format!("{error:#}");
    let words = "built against version 0.2.0 of the contract, and this runwatch reads 0.1.0";
    assert!(error.contains(words), "{error}");
}
