//! Hosts: network namespaces of this machine, each with an address and a node.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use assay_node::devnet::{Plan, lay_out};

use crate::{
    relay::{DEVICE, HOST, HUB, Hub},
    support::Run,
};

/// The address of a host.
fn address(host: u8) -> String {
    format!("10.83.0.{host}")
}

/// A namespace, until it is dropped, with the process that carries its packets.
struct Host {
    name: String,
    carrier: Option<Child>,
}

fn ran(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Why no hosts can be made here, if so.
pub(crate) fn unable() -> Option<&'static str> {
    let name = format!("assay-probe-{}", std::process::id());
    if !ran("ip", &["netns", "add", &name]) {
        return Some("it takes root, `ip`, and a kernel with network namespaces");
    }
    let device = [
        "netns", "exec", &name, "ip", "tuntap", "add", "dev", DEVICE, "mode", "tun",
    ];
    let has_devices = ran("ip", &device);
    ran("ip", &["netns", "del", &name]);
    (!has_devices).then_some("it takes a kernel with TUN devices")
}

impl Host {
    fn new(number: u8, hub: &Path) -> Self {
        let name = format!("assay-{}-{number}", std::process::id());
        assert!(ran("ip", &["netns", "add", &name]), "{name}");
        let mut host = Self {
            name,
            carrier: None,
        };
        // This program itself, as one test that carries packets.
        let program = std::env::current_exe().unwrap();
        let mut carrier = host.command(program.to_str().unwrap());
        carrier.args(["--exact", "packets_of_a_host_are_carried", "--nocapture"]);
        carrier.env(HUB, hub).env(HOST, number.to_string());
        host.carrier = Some(carrier.stdout(Stdio::null()).spawn().unwrap());
        let began = Instant::now();
        // 20 Mbit/s, where the kernel can.
        let rate = [
            "root", "tbf", "rate", "20mbit", "burst", "64kb", "latency", "400ms",
        ];
        let up = [
            vec!["addr", "add", "dev", DEVICE],
            vec!["link", "set", "dev", DEVICE, "up"],
            vec!["link", "set", "dev", "lo", "up"],
        ];
        let address = format!("{}/24", address(number));
        for mut arguments in up {
            if arguments[0] == "addr" {
                arguments.insert(2, &address);
            }
            let mut all = vec!["netns", "exec", &host.name, "ip"];
            all.extend(arguments);
            // Until the carrier has made the device.
            while !ran("ip", &all) {
                assert!(began.elapsed() < Duration::from_secs(20), "no device");
                sleep(Duration::from_millis(20));
            }
        }
        let mut limit = vec![
            "netns", "exec", &host.name, "tc", "qdisc", "add", "dev", DEVICE,
        ];
        limit.extend(rate);
        ran("ip", &limit);
        host
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(carrier) = &mut self.carrier {
            let _ = carrier.kill();
            let _ = carrier.wait();
        }
        ran("ip", &["netns", "del", &self.name]);
    }
}

/// A network of nodes, each a process on a host of its own.
pub(crate) struct Machines {
    dir: PathBuf,
    /// Each node's host.
    hosts: BTreeMap<String, (u8, Host)>,
    nodes: BTreeMap<String, Child>,
    pub(crate) hub: Hub,
}

impl Machines {
    /// Lays a network out below `dir`, with nodes that are not started yet.
    pub(crate) fn new(dir: &Path, plan: &Plan, (path, hub): (&Path, Hub)) -> Self {
        lay_out(dir, plan).unwrap();
        let mut names: Vec<String> = fs::read_dir(dir.join("nodes"))
            .unwrap()
            .map(|home| home.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let mut hosts = BTreeMap::new();
        // Every port belongs to one node.
        let mut moved = Vec::new();
        for (number, name) in (1..).zip(names) {
            let text = fs::read_to_string(dir.join("nodes").join(&name).join("node.toml"));
            let listens = text.unwrap();
            let listens = listens
                .lines()
                .filter_map(|line| line.strip_prefix("listen = \""));
            for listen in listens.map(|rest| rest.trim_end_matches('"')) {
                let port = listen.rsplit(':').next().unwrap();
                moved.push((
                    format!("\"{listen}\""),
                    format!("\"{}:{port}\"", address(number)),
                ));
            }
            hosts.insert(name, (number, Host::new(number, path)));
        }
        let mut files = vec![dir.join("genesis.json")];
        files.extend(
            hosts
                .keys()
                .map(|name| dir.join("nodes").join(name).join("node.toml")),
        );
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let text = moved
                .iter()
                .fold(text, |text, (from, to)| text.replace(from, to));
            fs::write(file, text).unwrap();
        }
        Self {
            dir: dir.to_owned(),
            hosts,
            nodes: BTreeMap::new(),
            hub,
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.hosts.keys().cloned().collect()
    }

    /// The number of a node's host.
    pub(crate) fn host(&self, name: &str) -> u8 {
        self.hosts[name].0
    }

    pub(crate) fn start(&mut self, name: &str) {
        let home = self.dir.join("nodes").join(name);
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(home.join("log"))
            .unwrap();
        let mut command = self.hosts[name].1.command(env!("CARGO_BIN_EXE_assay"));
        command
            .args(["node", "--json", "--config"])
            .arg(home.join("node.toml"))
            .env("ASSAY_LOG", "warn")
            .env_remove("ASSAY_DIR")
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log));
        self.nodes.insert(name.to_owned(), command.spawn().unwrap());
    }

    /// SIGKILL: `ip` has become the node by then.
    pub(crate) fn kill(&mut self, name: &str) {
        let mut node = self.nodes.remove(name).unwrap();
        node.kill().unwrap();
        node.wait().unwrap();
    }

    /// Whether the process of a node has ended by itself.
    pub(crate) fn has_ended(&mut self, name: &str) -> bool {
        let node = self.nodes.get_mut(name).unwrap();
        node.try_wait().unwrap().is_some()
    }

    /// Runs a command on a node's host.
    pub(crate) fn assay(&self, on: &str, arguments: &[&str]) -> Run {
        let mut command = self.hosts[on].1.command(env!("CARGO_BIN_EXE_assay"));
        command
            .args(arguments)
            .env_remove("ASSAY_LOG")
            .env_remove("ASSAY_NODE")
            .env("ASSAY_DIR", &self.dir);
        let run = command.output().unwrap();
        Run {
            code: run.status.code().unwrap_or(-1),
            out: String::from_utf8(run.stdout).unwrap(),
            err: String::from_utf8(run.stderr).unwrap(),
        }
    }

    /// What the nodes have logged, for a test that fails.
    pub(crate) fn logs(&self) -> String {
        let logs = self.hosts.keys().map(|name| {
            let log = fs::read_to_string(self.dir.join("nodes").join(name).join("log"));
            let log = log.unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(6)..].join("\n");
            format!("--- {name}\n{last}\n")
        });
        logs.collect()
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for node in self.nodes.values_mut() {
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}
