//! Counters and gauges of this process, in the Prometheus text format.
//!
//! Names start with `assay_`; what each one counts is said where it is described, in
//! [`install`], and shows up as `# HELP` in the text. The chain engine keeps its own registry;
//! [`exposition`] brings its text into the same form.

pub mod exposition;

use std::sync::OnceLock;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};
pub use metrics::{gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Starts counting. Later calls do nothing; without any call, nothing is counted.
pub fn install() {
    RECORDER.get_or_init(|| {
        let handle = PrometheusBuilder::new().install_recorder().ok()?;
        describe_counter!(
            "assay_connections_total",
            "Connections of peers, by outcome"
        );
        describe_counter!(
            "assay_requests_total",
            "Requests of peers, by name and outcome"
        );
        describe_counter!(
            "assay_http_requests_total",
            "HTTP requests, by route and status"
        );
        describe_counter!(
            "assay_transactions_total",
            "Transactions sent, by call and outcome"
        );
        describe_counter!("assay_steps_total", "Training steps done, by role");
        describe_gauge!("assay_height", "Height of the newest block executed here");
        describe_gauge!(
            "assay_healthy",
            "1 while nothing is in this node's way, 0 while something is"
        );
        describe_gauge!(
            "assay_clock_offset_seconds",
            Unit::Seconds,
            "This machine's clock less the network's"
        );
        describe_gauge!(
            "assay_disk_free_bytes",
            Unit::Bytes,
            "Room left where this node keeps its data"
        );
        describe_gauge!("assay_open_files", "Files that this process has open");
        describe_gauge!(
            "assay_open_files_limit",
            "Files that this process may have open"
        );
        describe_gauge!(
            "assay_stored_bytes",
            Unit::Bytes,
            "Ciphertext kept for others"
        );
        describe_gauge!("assay_job_step", "Latest step of a running job, by order");
        describe_histogram!(
            "assay_step_seconds",
            Unit::Seconds,
            "Time per training step"
        );
        Some(handle)
    });
}

/// The text of all our metrics; empty before [`install`].
pub fn render() -> String {
    let Some(Some(handle)) = RECORDER.get() else {
        return String::new();
    };
    handle.run_upkeep();
    handle.render()
}

pub(crate) fn connection_accepted() {
    counter!("assay_connections_total", "outcome" => "accepted").increment(1);
}

pub(crate) fn connection_refused() {
    counter!("assay_connections_total", "outcome" => "refused").increment(1);
}

pub(crate) fn request_served(name: &'static str, ok: bool) {
    let outcome = if ok { "answered" } else { "refused" };
    counter!("assay_requests_total", "name" => name, "outcome" => outcome).increment(1);
}

pub(crate) fn height(height: u64) {
    gauge!("assay_height").set(height as f64);
}

pub(crate) fn healthy(healthy: bool) {
    gauge!("assay_healthy").set(f64::from(u8::from(healthy)));
}

pub(crate) fn clock_offset(ms: i64) {
    gauge!("assay_clock_offset_seconds").set(ms as f64 / 1e3);
}

pub(crate) fn disk_free(bytes: u64) {
    gauge!("assay_disk_free_bytes").set(bytes as f64);
}

pub(crate) fn open_files(open: u64, limit: u64) {
    gauge!("assay_open_files").set(open as f64);
    gauge!("assay_open_files_limit").set(limit as f64);
}

pub(crate) fn stored(bytes: u64) {
    gauge!("assay_stored_bytes").set(bytes as f64);
}

/// Counts a transaction sent by this process.
pub fn transaction_sent(call: &'static str, ok: bool) {
    let outcome = if ok { "accepted" } else { "refused" };
    counter!("assay_transactions_total", "call" => call, "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    #[test]
    fn counted_things_show_up_in_the_text() {
        super::install();
        super::request_served("head", true);
        let text = super::render();
        assert!(
            text.contains("# TYPE assay_requests_total counter"),
            "{text}"
        );
        assert!(text.contains(r#"name="head""#), "{text}");
    }
}
