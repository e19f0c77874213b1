//! What `deploy` has for those who run tagd: rules of Prometheus, a dashboard, units of systemd.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use crate::support::{Program, Source, TestDb, Tool, files_of, repository, sources_of};

fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap()
}

fn said(ran: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr))
}

/// The metrics that a text names, without the ends of names that a histogram's parts have.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let names = words.filter(|word| word.starts_with("tagd_") || word.starts_with("process_"));
    names
        .map(|name| {
            let ends = ["_seconds_bucket", "_seconds_sum", "_seconds_count", "_size_sum", "_size_count"];
            let is_part = ends.iter().any(|end| name.ends_with(end));
            let whole = if is_part { name.rsplit_once('_').unwrap().0 } else { name };
            whole.to_owned()
        })
        .collect()
}

/// The section of docs/OPERATIONS.md under a heading, up to the next one of the same level.
fn section(heading: &str) -> String {
    let page = read("docs/OPERATIONS.md");
    let (_, rest) = page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("there is no {heading}"));
    let level = heading.split(' ').next().unwrap();
    rest.split(&format!("\n{level} ")).next().unwrap().to_owned()
}

/// The metrics that docs/OPERATIONS.md explains: the first column of its table.
fn documented() -> BTreeSet<String> {
    let section = section("## Metrics");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('|'));
    rows.flat_map(|(names, _)| metrics_in(names)).collect()
}

// ---- Prometheus

#[test]
fn promtool_accepts_the_rules_their_tests_and_the_settings() {
    static PROMTOOL: Tool = Tool::of("tools/promtool");
    let Some(promtool) = PROMTOOL.path("promtool_accepts_the_rules_their_tests_and_the_settings") else { return };
    let folder = Program::new();
    let dir = folder.dir();
    for name in ["rules.yml", "rules_test.yml"] {
        folder.write(name, read(&format!("deploy/prometheus/{name}")));
    }
    folder.write("tagd-token", "tagd_0123");
    let token = format!("{}/tagd-token", dir.display());
    folder.write(
        "prometheus.yml",
        read("deploy/prometheus/prometheus.yml").replace("/etc/prometheus/tagd-token", &token),
    );
    folder.write("compose.yml", read("docker/prometheus.yml"));
    for args in [
        &["check", "rules", "--lint-fatal", "rules.yml"][..],
        &["test", "rules", "rules_test.yml"],
        &["check", "config", "--lint-fatal", "prometheus.yml"],
        &["check", "config", "--lint-fatal", "compose.yml"],
    ] {
        let ran = Command::new(promtool).args(args).current_dir(dir).output().unwrap();
        assert!(ran.status.success(), "{args:?}: {}", said(&ran));
    }
}

#[test]
fn every_alert_has_a_test_and_a_section_that_says_what_to_do() {
    let (rules, tests) = (read("deploy/prometheus/rules.yml"), read("deploy/prometheus/rules_test.yml"));
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert_eq!(alerts.len(), 6);
    let names: Vec<&str> = alerts.iter().map(|alert| alert.lines().next().unwrap()).collect();
    for (alert, name) in alerts.iter().zip(&names) {
        for part in ["severity: ", "summary: ", "description: "] {
            assert!(alert.contains(part), "{name} has no {part}");
        }
        let runbook = format!("runbook: 'docs/OPERATIONS.md#{}'", name.to_lowercase());
        assert!(alert.contains(&runbook), "{name} has no {runbook}");
        // it fires in one test, and in another it does not
        assert!(tests.contains(&format!("- alertname: {name}\n        eval_time: ")), "{name} fires in no test");
        assert!(tests.contains(&format!("{{alertname: {name}, ")), "{name} stays silent in no test");
        assert!(section(&format!("### {name}")).contains("**Do:**"), "{name}");
    }
    let section = section("## Alerts");
    let headings: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(headings, names);
}

#[test]
fn the_metrics_of_a_server_are_those_that_the_documentation_explains() {
    let db = TestDb::new();
    let server = Program::new().on(&db).serve(&["--listen", "127.0.0.1:0"]);
    let answer = server.get("/metrics");
    assert_eq!(answer.status, 200, "{answer:?}");
    let families = answer.body.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let families: BTreeSet<String> = families.map(ToOwned::to_owned).collect();
    assert!(families.len() > 30, "{families:?}");
    let known = documented();
    assert_eq!(families.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
    // some are only there after something has happened, so the others are looked for in the sources
    let sources: Vec<Source> = sources_of("src");
    let is_written = |name: &String| sources.iter().any(|source| source.strings.contains(name));
    assert_eq!(known.iter().filter(|name| !is_written(name)).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn the_dashboard_and_the_rules_ask_for_metrics_that_exist() {
    let known = documented();
    for path in ["deploy/grafana/tagd.json", "deploy/prometheus/rules.yml", "deploy/prometheus/rules_test.yml"] {
        let used = metrics_in(&read(path));
        assert!(used.len() > 4, "{path}: {used:?}");
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(unknown.is_empty(), "{path} asks for {unknown:?}");
    }
}

#[test]
fn metrics_are_found_in_a_query() {
    let query = "histogram_quantile(0.9, rate(tagd_a_seconds_bucket{le=\"1\"}[5m])) + job:tagd_b:rate / process_c tagd_size_count";
    assert_eq!(metrics_in(query).into_iter().collect::<Vec<_>>(), ["process_c", "tagd_a_seconds", "tagd_size"]);
}

// ---- Grafana

/// Panels, those in rows included.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let top: Vec<&Value> = dashboard["panels"].as_array().unwrap().iter().collect();
    let inner = top.iter().filter_map(|panel| panel["panels"].as_array()).flatten();
    let inner: Vec<&Value> = inner.collect();
    [top, inner].concat()
}

#[test]
fn the_dashboard_can_be_read_and_its_data_source_is_provisioned() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/tagd.json")).unwrap();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 36);
    let panels = panels(&dashboard);
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut cells = BTreeSet::new();
    let mut queries = 0;
    for panel in &panels {
        let place = &panel["gridPos"];
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| place[side].as_u64().unwrap());
        assert!(x + w <= 24, "{panel}");
        for cell in (x..x + w).flat_map(|column| (y..y + h).map(move |line| (column, line))) {
            assert!(cells.insert(cell), "two panels are in one place: {panel}");
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(!panel["title"].as_str().unwrap().is_empty() && panel["description"].as_str().unwrap().ends_with('.'));
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{panel}");
        for target in targets {
            queries += 1;
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{target}");
            let query = target["expr"].as_str().unwrap();
            assert!(query.contains("job=\"$job\"") && query.contains("instance=~\"$instance\""), "{query}");
        }
    }
    assert!(queries > 40, "{queries}");

    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let source = variables.iter().find(|variable| variable["name"] == "datasource").unwrap();
    let uid = format!("uid: {}", source["current"]["value"].as_str().unwrap());
    let provisioned = read("deploy/grafana/provisioning/datasources/tagd.yml");
    assert!(provisioned.lines().any(|line| line.trim() == uid), "{uid}");
    // where the stack puts the dashboard
    let folder = read("deploy/grafana/provisioning/dashboards/tagd.yml");
    let (_, folder) = folder.split_once("path: ").unwrap();
    let mounted = format!("./deploy/grafana/tagd.json:{}/tagd.json:ro", folder.trim());
    assert!(read("docker-compose.yml").contains(&mounted), "{mounted}");
}

// ---- systemd

/// Runs systemd-analyze over the units; none if there is none, which is said.
fn analyze(test: &str, units: &Path, args: &[&str]) -> Option<String> {
    let ran = Command::new("systemd-analyze").args(args).current_dir(units).output();
    let is_recent = Command::new("systemd-analyze").arg("--version").output().is_ok_and(|ran| {
        let version: Option<u32> = said(&ran).split(' ').nth(1).and_then(|version| version.parse().ok());
        version.is_some_and(|version| version >= 252)
    });
    match ran {
        Ok(ran) if is_recent => {
            let said = said(&ran);
            assert!(ran.status.success(), "{args:?}: {said}");
            Some(said)
        }
        _ => {
            // not by a macro, whose text is only shown for tests that fail
            let reason = format!("{test} DID NOT RUN: there is no systemd-analyze of systemd 252 or later\n");
            io::stderr().write_all(reason.as_bytes()).unwrap();
            None
        }
    }
}

#[test]
fn systemd_accepts_the_units_and_finds_little_exposed() {
    let test = "systemd_accepts_the_units_and_finds_little_exposed";
    let folder = Program::new();
    // units name a program that has to be there
    let service = read("deploy/systemd/tagd.service").replace("/usr/local/bin/tagd", env!("CARGO_BIN_EXE_tagd"));
    folder.write("tagd.service", service);
    folder.write("tagd.socket", read("deploy/systemd/tagd.socket"));
    let Some(complaints) = analyze(test, folder.dir(), &["verify", "./tagd.service", "./tagd.socket"]) else { return };
    // what it says of unknown lines is no failure to it
    assert!(!complaints.contains("tagd."), "{complaints}");
    let judged =
        analyze(test, folder.dir(), &["security", "--offline=true", "--threshold=20", "./tagd.service"]).unwrap();
    assert!(judged.contains("Overall exposure level for tagd.service: "), "{judged}");
}

#[test]
fn every_setting_of_the_unit_is_a_setting_of_tagd() {
    let settings = read("docs/OPERATIONS.md");
    let unit = read("deploy/systemd/tagd.service");
    let set: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix("Environment=")?.split('=').next()).collect();
    assert!(set.len() > 3);
    for name in set {
        assert!(settings.contains(&format!("`{name}`")), "{name}");
    }
    // the credentials that settings name are those that are loaded
    let loaded: BTreeSet<&str> =
        unit.lines().filter_map(|line| line.strip_prefix("LoadCredential=")?.split(':').next()).collect();
    let named: BTreeSet<&str> = unit.split("=%d/").skip(1).map(|rest| rest.lines().next().unwrap()).collect();
    assert_eq!(loaded, named);
}

#[test]
fn every_file_of_the_folder_is_named_in_the_documentation() {
    let page = read("docs/OPERATIONS.md");
    for path in files_of("deploy") {
        // itself, or a folder that it is in
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]).skip(1);
        let is_named = folders.chain([path.as_str()]).any(|named| page.contains(named));
        assert!(is_named, "docs/OPERATIONS.md does not name {path}");
    }
}
