//! `assay worker`: where a node runs strangers' programs. Nobody but a node starts it.

use std::{ffi::OsString, path::Path, sync::Arc};

use assay_node::worker::{WorkerProcess, run_worker};
use clap::Args;

use crate::{failure::Failure, trial::failed};

/// Run jobs' programs for the node that started this process
///
/// Speaks to the node over standard input and output, and ends with it.
#[derive(Debug, Args)]
pub(crate) struct RunWorker {
    /// Most bytes of memory for all programs together
    #[arg(long, value_name = "BYTES")]
    memory: u64,
}

impl RunWorker {
    /// Ends the process when the node does.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        run_worker(self.memory)
    }
}

/// A worker of this very program for nodes in `dir`, with so many bytes of memory.
pub(crate) fn worker(dir: &Path, memory: u64) -> Result<Arc<WorkerProcess>, Failure> {
    // The program that runs, even where another version has taken its place on disk.
    let running = Path::new("/proc/self/exe");
    let program = match running.exists() {
        true => running.to_owned(),
        false => std::env::current_exe().map_err(failed)?,
    };
    let arguments = vec![OsString::from("worker")];
    let folder = std::path::absolute(dir.join("worker")).map_err(failed)?;
    Ok(WorkerProcess::new(program, arguments, memory, folder))
}

/// Bytes of memory that nodes give which share one worker and have no setting of their own.
pub(crate) fn memory_of_nodes() -> u64 {
    assay_node::config::free_memory()
}
