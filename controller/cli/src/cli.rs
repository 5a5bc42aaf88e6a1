//! The command line as a whole. The arguments of each command stand beside the command.

use crate::commands::{
    account, apply, completions, controller, events, image, lease, node, pool, reservation, run, tenant,
};
use crate::exit;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  hostler lease request --wait server=1:x86_64,image=fedora client=1:aarch64,image=fedora
  hostler run 7 --junit 'reports/*.xml' --results out -- make check
  hostler lease release 7";

/// Leases groups of physical machines and runs payloads on them.
#[derive(Debug, Parser)]
#[command(
    name = "hostler",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 110,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP)
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Credentials file [default: ~/.config/hostler/credentials.toml]
    #[arg(long, global = true, value_name = "FILE", env = "HOSTLER_CREDENTIALS", hide_env_values = true)]
    pub(crate) credentials: Option<PathBuf>,
    /// How results are printed: for people, or as JSON (a line for each where they keep coming)
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table, value_name = "table|json")]
    #[arg(hide_possible_values = true)]
    pub(crate) output: Format,
    /// Colours; auto honours NO_COLOR and CLICOLOR_FORCE
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "auto|always|never")]
    #[arg(hide_possible_values = true)]
    pub(crate) color: Color,
    /// How long to try to reach the controller [default: 1m for single calls, no bound while waiting or following]
    #[arg(long, global = true, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) retry_for: Option<Duration>,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One JSON document; JSON lines where results keep coming
    Json,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On terminals
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// The decision for one stream. See no-color.org and bixense.com/clicolors.
    pub(crate) fn applies(self, is_terminal: bool) -> bool {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if is_set("NO_COLOR") => false,
            Self::Auto if is_set("CLICOLOR_FORCE") => true,
            Self::Auto => is_terminal && std::env::var_os("TERM").is_some_and(|term| term != "dumb"),
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask for machines, wait for them, give them back
    #[command(subcommand, visible_alias = "leases")]
    Lease(lease::Command),
    /// Run a payload on the machines of a lease
    Run(run::Arguments),
    /// Look at machines and look after them
    #[command(subcommand, visible_alias = "nodes")]
    Node(node::Command),
    /// How many machines are started at once
    #[command(subcommand, visible_alias = "pools")]
    Pool(pool::Command),
    /// Machines that are set aside for a tenant
    #[command(subcommand, visible_alias = "reservations")]
    Reservation(reservation::Command),
    /// What nodes can be provisioned with
    #[command(subcommand, visible_alias = "images")]
    Image(image::Command),
    /// Who may lease
    #[command(subcommand, visible_alias = "tenants")]
    Tenant(tenant::Command),
    /// The controllers themselves, of which one leads
    #[command(subcommand, visible_alias = "controllers")]
    Controller(controller::Command),
    /// Make the registered nodes equal to those in a file
    Apply(apply::Arguments),
    /// Where the time of leases went
    Account(account::Arguments),
    /// What happened
    Events(events::Arguments),
    /// Print completions for a shell
    Completions(completions::Arguments),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_description_and_examples() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} has no description", command.get_name());
            if command.get_subcommands().next().is_none() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.starts_with("Examples:\n  hostler "), "{} has no examples", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    /// Each line of each example is a command line that is understood.
    #[test]
    fn every_example_is_understood() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines().filter_map(|line| line.trim().strip_prefix("hostler ")) {
                let line = line
                    .split(" # ")
                    .next()
                    .unwrap_or_default()
                    .split(['|', '>', '&'])
                    .next()
                    .unwrap_or_default();
                let words = line.split_whitespace().map(|word| word.trim_matches('\''));
                if let Err(error) = Cli::try_parse_from(std::iter::once("hostler").chain(words)) {
                    panic!("{line}: {error}");
                }
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn long_help_documents_the_exit_codes() {
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains(exit::HELP), "{help}");
    }
}
