use super::*;

const ENGINE: &str = r#"# HELP runtime_tasks Tasks spawned.
# TYPE runtime_tasks counter
runtime_tasks_total{name="a} b",kind="x\"y"} 3
runtime_tasks_total{name="c"} 4 1700000000.1
# HELP votes Votes
# TYPE votes counter
votes_total 7 # {trace="1"} 1.0
votes_created 1700000000
# HELP latency_ms How long.
# TYPE latency_ms histogram
latency_ms_sum 1500
latency_ms_count 3
latency_ms_bucket{le="1000.0"} 2
latency_ms_bucket{le="+Inf"} 3
# HELP Pending_count Waiting.
# TYPE Pending_count gauge
Pending_count{} 2
# HELP build Build
# TYPE build info
build_info{version="1"} 1
# TYPE silent gauge
# EOF
"#;

#[test]
fn the_engines_text_becomes_one_that_scrapers_read() {
    let text = of_engine(ENGINE);
    assert_eq!(lint(&text), Vec::<String>::new(), "{text}");
    for line in [
        "# TYPE assay_engine_runtime_tasks_total counter",
        r#"assay_engine_runtime_tasks_total{name="a} b",kind="x\"y"} 3"#,
        r#"assay_engine_runtime_tasks_total{name="c"} 4"#,
        "assay_engine_votes_total 7",
        "# TYPE assay_engine_latency_seconds histogram",
        "assay_engine_latency_seconds_sum 1.5",
        "assay_engine_latency_seconds_count 3",
        r#"assay_engine_latency_seconds_bucket{le="1"} 2"#,
        r#"assay_engine_latency_seconds_bucket{le="+Inf"} 3"#,
        "assay_engine_pending_entries 2",
        r#"assay_engine_build{version="1"} 1"#,
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(!text.contains("EOF") && !text.contains("created") && !text.contains("silent"));
}

#[test]
fn a_text_that_is_none_gives_none() {
    for text in [
        "",
        "# EOF\n",
        "garbage",
        "{}",
        "# HELP\n# TYPE x\nx{ 1\n",
        "x 1\n",
    ] {
        assert_eq!(of_engine(text), "", "{text:?}");
    }
}

#[test]
fn the_check_finds_what_promtool_finds() {
    let good = "# HELP assay_a_total A.\n# TYPE assay_a_total counter\nassay_a_total 1\n";
    assert!(lint(good).is_empty());
    for (bad, why) in [
        (
            good.replace("assay_a_total 1", "assay_a_total x"),
            "no number",
        ),
        (good.replace("_total", ""), "without _total"),
        (good.replace("assay_", ""), "prefix"),
        (good.replace("counter", "gauge"), "no counter"),
        (good.replace("# HELP assay_a_total A.\n", ""), "no help"),
        (format!("{good}assay_a_total 2\n"), "twice"),
        (format!("{good}assay_b 2\n"), "not a sample"),
        (format!("{good}{good}"), "two types"),
        (good.replace("a_total", "a_ms_total"), "base unit"),
        (format!("{good}# EOF\n"), "neither help nor type"),
    ] {
        let found = lint(&bad);
        assert!(found.iter().any(|f| f.contains(why)), "{why}: {found:?}");
    }
}
