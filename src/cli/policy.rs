//! `tagd policy`: creates, changes, tries and lists policies, and moves them between databases.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
};

use clap::{Args, Subcommand};

use super::{CliError, open::open};
use crate::{
    app,
    auth::Principal,
    config::Settings,
    domain::{
        Policy, RequestError, Tag,
        pattern::quote_pattern,
        policy::Compliance,
        reason::{self, quote},
        registry::{Condition, RegistryError},
    },
    service::{ComplianceQuery, PolicyRef, Registry, TriedPolicy},
    store::SessionProfile,
    transfer::{
        line::LINE_BYTES,
        policy_line::{self, PolicyFields},
    },
};

/// Commands of policies.
#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// List the policies of all domains
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a policy as JSON
    Show(NameArgs),
    /// Create a policy, or replace the one with this name
    Put {
        #[command(flatten)]
        name: NameArgs,
        #[command(flatten)]
        rule: RuleArgs,
        /// Refuse writes that would add a violation [default: violations are only reported]
        #[arg(long)]
        enforce: bool,
        /// What the policy is for
        #[arg(long, default_value = "", hide_default_value = true)]
        description: String,
    },
    /// Count the resources that would violate a policy, without creating it
    Try {
        /// Domain whose projects it concerns [default: all domains]
        #[arg(long, value_name = "ID")]
        domain: Option<String>,
        #[command(flatten)]
        rule: RuleArgs,
        /// A tag of a resource that might be registered, as KEY=VALUE; repeat the flag for several. Says why it would be refused
        #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = read_tag)]
        tags: Vec<Tag>,
    },
    /// Delete a policy
    Delete(NameArgs),
    /// Write every policy as a line of JSON
    Export,
    /// Create or replace policies from lines of JSON, as export writes them
    ///
    /// Import resources first: projects and resource types of policies must exist.
    Import {
        /// File to read; - for standard input
        #[arg(default_value = "-", value_name = "FILE")]
        file: PathBuf,
    },
}

impl PolicyCommand {
    /// Whether it puts one.
    pub(super) fn is_put(&self) -> bool {
        matches!(self, Self::Put { .. })
    }
}

/// Which policy.
#[derive(Debug, Args)]
pub(super) struct NameArgs {
    /// Name of the policy
    name: String,
    /// Domain of the policy [default: a policy for all domains]
    #[arg(long, value_name = "ID")]
    domain: Option<String>,
}

/// What a policy says.
#[derive(Debug, Args)]
pub(super) struct RuleArgs {
    /// The key that it is about
    #[arg(long)]
    key: String,
    /// The resource must have the key
    #[arg(long)]
    required: bool,
    /// A value that the key may have; repeat the flag for several [default: any]
    #[arg(long = "value", value_name = "VALUE")]
    values: Vec<String>,
    /// Regular expression that the whole value must match [default: any value]
    #[arg(long, conflicts_with = "values")]
    pattern: Option<String>,
    /// Keys that differ from the key only in upper and lower case are violations
    #[arg(long)]
    exact: bool,
    /// The only project that it concerns [default: all of the domain]
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// The only resource type that it concerns; repeat the flag for several [default: all]
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
}

/// A tag as KEY=VALUE.
fn read_tag(text: &str) -> Result<Tag, String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    Ok(Tag { key: key.to_owned(), value: value.to_owned() })
}

impl RuleArgs {
    fn policy(self, name: String, domain_id: Option<String>) -> Policy {
        let some = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
        Policy {
            name,
            domain_id,
            project_id: self.project,
            resource_types: some(self.types),
            key: self.key,
            is_required: self.required,
            is_exact: self.exact,
            values: some(self.values),
            pattern: self.pattern,
            ..Policy::default()
        }
    }
}

pub(super) async fn run(settings: &Settings, command: PolicyCommand) -> Result<(), CliError> {
    let opened = open(settings).await?;
    let store = opened.store(SessionProfile::Bulk).await?;
    let outcome = run_in(&app::registry_of(&store), command).await;
    store.close().await;
    opened.close().await;
    match outcome {
        // the reader of the output has closed it
        Err(CliError::File { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

async fn run_in(registry: &Registry, command: PolicyCommand) -> Result<(), CliError> {
    let principal = Principal::command("policy");
    match command {
        PolicyCommand::List { json } => {
            let policies = all(registry, &principal).await?;
            if json {
                let list: Vec<_> = policies.iter().map(PolicyFields::of).collect();
                return print(&[to_json(&list)?]);
            }
            print(&policies.iter().map(describe).collect::<Vec<_>>())
        }
        PolicyCommand::Show(NameArgs { name, domain }) => {
            let policy = PolicyRef { name: &name, domain_id: domain.as_deref() };
            let found = registry.find_policy(&principal, policy).await?;
            print(&[to_json(&PolicyFields::of(&found.policy))?])
        }
        PolicyCommand::Put { name: NameArgs { name, domain }, rule, enforce, description } => {
            let policy = Policy { is_enforced: enforce, description, ..rule.policy(name, domain) };
            let put = registry.put_policy(&principal, policy, &Condition::None).await;
            let (created, stored) = put.map_err(|error| named(&error))?;
            eprintln!("tagd: {}: {}", if created { "created" } else { "replaced" }, describe(&stored.policy));
            let policy = Some(PolicyRef { name: &stored.policy.name, domain_id: stored.policy.domain_id.as_deref() });
            let query = ComplianceQuery { policy, ..ComplianceQuery::default() };
            // perhaps a typing error
            if registry.compliance(&principal, query, None, 1).await.is_ok_and(|(rows, _)| rows.is_empty()) {
                eprintln!("tagd: warning: the policy concerns no resources yet");
            }
            Ok(())
        }
        PolicyCommand::Try { domain, rule, tags } => {
            let tags = Some(tags.as_slice()).filter(|tags| !tags.is_empty());
            let tried = registry.try_policy(&principal, rule.policy(String::new(), domain), tags).await;
            let tried = tried.map_err(|error| named(&error))?;
            let mut lines = summary(&tried);
            match tried.refused.as_deref() {
                None => {}
                Some([]) => lines.push("a resource with these tags would not be refused".to_owned()),
                Some(refused) => lines.extend(refused.iter().map(|refusal| format!("would be refused: {refusal}"))),
            }
            print(&lines)
        }
        PolicyCommand::Delete(NameArgs { name, domain }) => {
            let policy = PolicyRef { name: &name, domain_id: domain.as_deref() };
            registry.remove_policy(&principal, policy, &Condition::None).await?;
            eprintln!("tagd: policy {} was deleted", quote(&name));
            Ok(())
        }
        PolicyCommand::Export => {
            let mut lines = Vec::new();
            for policy in all(registry, &principal).await? {
                if has_lost_its_project(registry, &principal, &policy).await? {
                    eprintln!("tagd: warning: left out, since its project is in another domain: {}", describe(&policy));
                } else {
                    lines.push(serde_json::to_string(&PolicyFields::of(&policy)).map_err(internal)?);
                }
            }
            print(&lines)
        }
        PolicyCommand::Import { file } => import(registry, &principal, &file).await,
    }
}

async fn all(registry: &Registry, principal: &Principal) -> Result<Vec<Policy>, CliError> {
    let (mut policies, mut marker) = (Vec::new(), None);
    loop {
        let (page, next) = registry.list_policies(principal, marker.as_deref(), 1000).await?;
        policies.extend(page.into_iter().map(|stored| stored.policy));
        if next.is_none() {
            return Ok(policies);
        }
        marker = next;
    }
}

/// Whether a policy is for a project that now belongs to another domain than the policy.
async fn has_lost_its_project(registry: &Registry, principal: &Principal, policy: &Policy) -> Result<bool, CliError> {
    let (Some(project_id), Some(domain_id)) = (&policy.project_id, &policy.domain_id) else { return Ok(false) };
    match registry.find_project(principal, project_id).await {
        Ok(project) => Ok(project.domain_id != *domain_id),
        // deleted meanwhile, with the policy
        Err(RegistryError::UnknownProject { .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

async fn import(registry: &Registry, principal: &Principal, file: &PathBuf) -> Result<(), CliError> {
    let failed = |source| CliError::File { what: format!("cannot read {}", file.display()), source };
    let input: Box<dyn Read> =
        if file.as_os_str() == "-" { Box::new(std::io::stdin()) } else { Box::new(File::open(file).map_err(failed)?) };
    let mut input = BufReader::new(input);
    let (mut created, mut replaced, mut rejected) = (0_u64, 0_u64, 0_u64);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if input.by_ref().take(LINE_BYTES + 1).read_until(b'\n', &mut line).map_err(failed)? == 0 {
            break;
        }
        let bytes = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if bytes > LINE_BYTES {
            return Err(CliError::Stopped(format!("line {number}: {}", reason::too_large(LINE_BYTES, bytes))));
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let put = match policy_line::decode(text) {
            Err(reason) => Err(reason),
            Ok(policy) => match registry.put_policy(principal, policy, &Condition::None).await {
                Err(RegistryError::Other(
                    error @ (RequestError::Unavailable { .. } | RequestError::Internal { .. }),
                )) => return Err(error.into()),
                put => put.map_err(|error| error.to_string()),
            },
        };
        match put {
            Ok((true, _)) => created += 1,
            Ok((false, _)) => replaced += 1,
            Err(reason) => {
                rejected += 1;
                eprintln!("line {number}: {reason}");
            }
        }
    }
    eprintln!("{created} created, {replaced} replaced, {rejected} rejected");
    if rejected > 0 { Err(CliError::Reported) } else { Ok(()) }
}

/// An error about a field, by the name that it has here.
fn named(error: &RegistryError) -> CliError {
    let message = error.to_string();
    let names = [
        ("policy_name: ", "NAME: "),
        ("domain_id: ", "--domain: "),
        ("project_id: ", "--project: "),
        ("key: ", "--key: "),
        ("values: ", "--value: "),
        ("pattern: ", "--pattern: "),
        ("description: ", "--description: "),
        ("resource_type: ", "--type: "),
        ("resource_types: ", "--type: "),
        ("required: ", "--required: "),
    ];
    let renamed = names.iter().find_map(|(field, name)| {
        let rest = message.strip_prefix(field).or_else(|| {
            // an entry of a list is a flag of its own
            let entry = message.strip_prefix(field.strip_suffix(": ")?)?.strip_prefix('[')?;
            entry.split_once("]: ").map(|(_, rest)| rest)
        })?;
        Some(format!("{name}{rest}"))
    });
    CliError::Stopped(renamed.unwrap_or(message))
}

fn describe(policy: &Policy) -> String {
    let mut rules = Vec::new();
    if policy.is_required {
        rules.push("required".to_owned());
    }
    if let Some(values) = &policy.values {
        rules.push(match values.as_slice() {
            [only] => format!("always {}", quote(only)),
            [first, second] => format!("{} or {}", quote(first), quote(second)),
            values => format!("one of {} values", values.len()),
        });
    }
    if let Some(pattern) = &policy.pattern {
        rules.push(format!("like {}", quote_pattern(pattern)));
    }
    if policy.is_exact {
        rules.push("spelled exactly".to_owned());
    }
    let domain =
        policy.domain_id.as_ref().map_or_else(String::new, |domain_id| format!(" in domain {}", quote(domain_id)));
    let project = policy.project_id.as_ref().map_or_else(String::new, |id| format!(" in project {id}"));
    let types = policy.resource_types.as_ref().map_or_else(String::new, |types| format!(" on {}", types.join(", ")));
    let mode = if policy.is_enforced { "enforced" } else { "reported" };
    format!("{}  key {}{domain}{project}{types}: {}; {mode}", policy.name, quote(&policy.key), rules.join(", "))
}

fn summary(tried: &TriedPolicy) -> Vec<String> {
    let line = |row: &Compliance| {
        format!(
            "{}  {}  {} of {} resources violate it: {} lack the key, {} have a value that is not allowed, {} another spelling",
            row.project_id,
            row.resource_type,
            row.violating,
            row.resources,
            row.missing,
            row.wrong_value,
            row.misspelled
        )
    };
    let rows = &tried.compliance;
    let cut = (rows.len() < tried.rows).then(|| format!("and {} more projects and types", tried.rows - rows.len()));
    let total = format!("{} of {} resources violate it", tried.violating, tried.resources);
    rows.iter().filter(|row| row.resources > 0).map(line).chain(cut).chain([total]).collect()
}

fn to_json(value: &impl serde::Serialize) -> Result<String, CliError> {
    serde_json::to_string_pretty(value).map_err(internal)
}

fn internal(error: serde_json::Error) -> CliError {
    RequestError::internal(error).into()
}

/// Writes lines to standard output, which may be closed.
fn print(lines: &[String]) -> Result<(), CliError> {
    let failed = |source| CliError::File { what: "cannot write to standard output".to_owned(), source };
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}").map_err(failed)?;
    }
    out.flush().map_err(failed)
}
