//! One module per command.

pub(crate) mod account;
pub(crate) mod archive;
pub(crate) mod audit;
pub(crate) mod demo;
pub(crate) mod devnet;
pub(crate) mod federated;
pub(crate) mod generate;
pub(crate) mod job;
pub(crate) mod keys;
pub(crate) mod market;
pub(crate) mod merge;
pub(crate) mod network;
pub(crate) mod node;
pub(crate) mod offer;
pub(crate) mod split;
pub(crate) mod train;
pub(crate) mod try_job;
pub(crate) mod vault;
pub(crate) mod why;
pub(crate) mod worker;

use crate::{
    args::{Cli, Command},
    failure::Failure,
    output::Output,
};

/// Carries out a command and prints its result.
pub(crate) fn run(cli: Cli, output: &Output) -> Result<(), Failure> {
    match cli.command {
        Command::Demo(demo) => demo.run(&cli.global, output),
        Command::Try(job) => job.run(&cli.global, output),
        Command::Train(train) => train.run(&cli.global, output),
        Command::Split(split) => split.run(&cli.global, output),
        Command::Generate(generate) => generate.run(&cli.global, output),
        Command::Merge(merge) => merge.run(&cli.global, output),
        Command::Audit(audit) => audit.run(output),
        Command::Archive(archive) => archive.run(&cli.global, output),
        Command::Devnet(devnet) => devnet.run(&cli.global, output),
        Command::Job(job) => job.run(&cli.global, output),
        Command::Keys(keys) => keys.run(&cli.global, output),
        Command::Market(market) => market.run(&cli.global, output),
        Command::Account(account) => account.run(&cli.global, output),
        Command::Offer(offer) => offer.run(&cli.global, output),
        Command::Vault(vault) => vault.run(&cli.global, output),
        Command::Node(node) => node.run(output),
        Command::Network(network) => network.run(&cli.global, output),
        Command::Why(why) => why.run(&cli.global, output),
        Command::Worker(worker) => worker.run(),
    }
}
