//! Presets: settings that belong together, laid between the defaults and
//! whatever the user says.

use super::origin::Origin;
use super::tree::{self, Node, Table, Value};

/// Every preset with its settings.
const PRESETS: [(&str, &str); 3] = [
    ("robust", ""),
    ("rlwatch", include_str!("presets/rlwatch.toml")),
    ("nsa", include_str!("presets/nsa.toml")),
];

/// The names, as a setting takes them.
pub(super) const NAMES: &[(&str, &str)] =
    &[("robust", "robust"), ("rlwatch", "rlwatch"), ("nsa", "nsa")];

/// The preset that the last of the layers with an opinion asks for, as a layer
/// of its own. A name that is none gives nothing here; reading the setting says
/// so.
pub(super) fn layer(layers: &[&Table], builtin: &[&str]) -> Option<Table> {
    let wanted = layers.iter().rev().find_map(|layer| asked_for(layer))?;
    let (name, text) = PRESETS.iter().find(|(name, _)| *name == wanted)?;
    let mut table = tree::parse(None, text).ok()?;
    if let Some(Value::Table(detectors)) = table.get_mut("detectors").map(|node| &mut node.value) {
        detectors.retain(|detector, node| {
            !matches!(node.value, Value::Table(_)) || builtin.contains(&detector.as_str())
        });
    }
    let origin = Origin::Preset(name);
    table.values_mut().for_each(|node| stands_in(node, &origin));
    Some(table)
}

fn asked_for(layer: &Table) -> Option<&str> {
    match &layer.get("detectors")?.value {
        Value::Table(table) => table.get("preset")?.value.text(),
        _ => None,
    }
}

fn stands_in(node: &mut Node, origin: &Origin) {
    node.key = origin.clone();
    node.at = origin.clone();
    if let Value::Table(table) = &mut node.value {
        table.values_mut().for_each(|node| stands_in(node, origin));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_toml_and_has_its_name() {
        for ((name, text), (listed, value)) in PRESETS.iter().zip(NAMES) {
            assert_eq!((name, name), (listed, value));
            assert!(tree::parse(None, text).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_last_layer_decides() {
        let layer_of = |text| tree::parse(None, text).unwrap();
        let file = layer_of("[detectors]\npreset = \"nsa\"");
        let flags = layer_of("[detectors]\npreset = \"robust\"");
        let other = layer_of("[detectors]\npreset = \"nosuch\"");
        assert_eq!(layer(&[&file, &flags], &[]), Some(Table::new()));
        assert!(
            layer(&[&flags, &file], &["throughput"])
                .unwrap()
                .contains_key("detectors")
        );
        assert_eq!(layer(&[&other], &[]), None);
        assert_eq!(layer(&[], &[]), None);
    }
}
