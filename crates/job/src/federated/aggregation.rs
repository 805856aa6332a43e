//! The tables of a job file that say how updates are rounded, and how one is made of many: as `aggregate`
//! reads them, with their schema.

use assay_aggregate::{MAX_ITERATIONS, Quantiser, Settings};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// How one update is made of many (`docs/aggregation.md`).
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Aggregation(pub(super) Settings);

impl JsonSchema for Aggregation {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Aggregation".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let table = |required: &[&str], properties: serde_json::Value| {
            serde_json::json!({
                "type": "object", "properties": properties, "required": required,
                "additionalProperties": false,
            })
        };
        let one = |name: &str, value: serde_json::Value| {
            table(&[name], serde_json::json!({ name: value }))
        };
        let count = serde_json::json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX });
        let share = serde_json::json!({ "type": "integer", "minimum": 0, "maximum": u16::MAX });
        let liars = serde_json::json!({
            "description": "How many updates may lie: so many, or so many of a thousand.",
            "oneOf": [one("count", count), one("per_thousand", share)],
        });
        let iterations =
            serde_json::json!({ "type": "integer", "minimum": 1, "maximum": MAX_ITERATIONS });
        let length = serde_json::json!({
            "description": "In steps of the quantiser: the value times 2^exponent.",
            "type": "integer", "minimum": 1,
        });
        let with_liars = |name: &str| {
            let of = table(&["liars"], serde_json::json!({ "liars": liars }));
            one(name, of)
        };
        let keep =
            serde_json::json!({ "liars": liars, "keep": { "type": "integer", "minimum": 1 } });
        let centre = serde_json::json!({
            "start": { "oneOf": [{ "enum": ["zero", "median"] }, one("trimmed_mean", liars.clone())] },
            "radius": { "oneOf": [{ "const": "median" }, one("steps", length.clone())] },
            "iterations": iterations,
        });
        let median = table(
            &["iterations"],
            serde_json::json!({ "iterations": iterations }),
        );
        json_schema!({
            "description": "How one update is made of many; left out: a rule that stands three liars of ten.",
            "type": "object",
            "properties": {
                "rule": { "oneOf": [
                    { "enum": ["mean", "median"] },
                    with_liars("trimmed_mean"),
                    with_liars("krum"),
                    one("multi_krum", table(&["liars", "keep"], keep)),
                    with_liars("bulyan"),
                    one("geometric_median", median),
                    one("centred_clipping", table(&["start", "radius", "iterations"], centre)),
                ] },
                "norm_bound": length,
                "nearest_neighbours": liars,
                "distances": table(&["exact_up_to", "buckets"], serde_json::json!({
                    "exact_up_to": { "type": "integer", "minimum": 0 },
                    "buckets": { "type": "integer", "minimum": 64, "maximum": 65_536 },
                })),
            },
            "required": ["rule"],
            "additionalProperties": false,
        })
    }
}

/// What integers of updates stand for: `bits` and `exponent`.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Scale(pub(super) Quantiser);

impl JsonSchema for Scale {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantiser".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What integers of updates stand for: q is q 2^-exponent, with as many bits.",
            "type": "object",
            "properties": {
                "bits": { "type": "integer", "minimum": 2, "maximum": 24 },
                "exponent": { "type": "integer", "minimum": -100, "maximum": 100 },
            },
            "required": ["bits", "exponent"],
            "additionalProperties": false,
        })
    }
}
