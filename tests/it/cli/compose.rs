//! The files of the image and of the stack: what every Compose reads in them, and that they agree with each other.
//!
//! `tools/compose-test` builds and runs the stack, which takes too long for a test.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    process::{Command, Stdio},
};

use crate::support::{Program, repository};

fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap()
}

/// The lines of a file without comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty())
}

/// The commands of Compose on this machine.
fn composes() -> Vec<Vec<&'static str>> {
    let known = [vec!["docker", "compose"], vec!["docker-compose"]];
    let runs = |command: &Vec<&str>| {
        let mut version = Command::new(command[0]);
        version.args(&command[1..]).arg("version").stdin(Stdio::null()).output().is_ok_and(|run| run.status.success())
    };
    known.into_iter().filter(runs).collect()
}

#[test]
fn every_compose_reads_the_stack_and_passes_a_password_on_as_it_is() {
    const PASSWORD: &str = "p@ss/w:%25";
    let found = composes();
    if found.is_empty() {
        // not by a macro, whose text is only shown for tests that fail
        io::stderr().write_all(b"the check of docker-compose.yml DID NOT RUN: there is no Compose here\n").unwrap();
    }
    for compose in found {
        let config = |args: &[&str]| {
            let mut command = Command::new(compose[0]);
            command.args(&compose[1..]).args(args).current_dir(repository(""));
            let ran = command.env("TAGD_DB_PASSWORD", PASSWORD).output().unwrap();
            let said = String::from_utf8_lossy(&ran.stderr);
            assert!(ran.status.success(), "{compose:?} {args:?}: {said}");
            assert!(!said.to_lowercase().contains("unsupported"), "{compose:?} passes over something: {said}");
            String::from_utf8(ran.stdout).unwrap()
        };
        const PROFILES: [&str; 4] = ["--profile", "tls", "--profile", "monitoring"];
        let text = config(&[&PROFILES[..], &["config"]].concat());
        for line in [
            format!("TAGD_DATABASE_PASSWORD: {PASSWORD}"),
            format!("POSTGRES_PASSWORD: {PASSWORD}"),
            "DATABASE_URL: postgres://tagd@postgres:5432/tagd?sslmode=disable".to_owned(),
            "TAGD_AUTH: keys,tokens".to_owned(),
            "restart: unless-stopped".to_owned(),
            "read_only: true".to_owned(),
        ] {
            assert!(text.lines().any(|found| found.trim() == line), "{compose:?} lacks {line}:\n{text}");
        }
        let services = config(&[&PROFILES[..], &["config", "--services"]].concat());
        let all = BTreeSet::from(["grafana", "postgres", "prometheus", "tagd", "tagd-tls"]);
        assert_eq!(services.lines().collect::<BTreeSet<_>>(), all);
    }
}

#[test]
fn the_stack_says_nothing_that_an_older_compose_refuses_or_passes_over() {
    let text = read("docker-compose.yml");
    let refused = ["name:", "version:", "configs:", "start_interval:", "pull_policy:", "develop:", "include:"];
    for line in lines(&text) {
        // a volume and a network may have a name, the stack as a whole not
        let key = if line.starts_with("name:") { "name:" } else { line.trim_start().split(' ').next().unwrap() };
        assert!(!refused.contains(&key), "{line}");
    }
    let published = [":8080\"", ":8443\"", ":9090\"", ":3000\""];
    let ports: Vec<&str> = lines(&text).filter(|line| published.iter().any(|port| line.ends_with(port))).collect();
    assert_eq!((ports.len(), text.matches("ports:").count()), (4, 4));
    assert!(ports.iter().all(|port| port.trim().starts_with("- \"127.0.0.1:")), "{ports:?}");
}

#[test]
fn what_the_stack_mounts_is_there_and_its_prometheus_asks_the_port_of_the_metrics() {
    let text = read("docker-compose.yml");
    let mounts: Vec<&str> = lines(&text).filter_map(|line| line.trim().strip_prefix("- ./")).collect();
    assert!(mounts.len() > 4, "{mounts:?}");
    for mount in mounts {
        let (path, rest) = mount.split_once(':').unwrap();
        assert!(repository(path).exists() && rest.ends_with(":ro"), "{mount}");
    }
    let prometheus = read("docker/prometheus.yml");
    let port = prometheus.lines().find_map(|line| line.trim().strip_prefix("port: ")).unwrap();
    assert!(text.contains(&format!("TAGD_METRICS_LISTEN: 0.0.0.0:{port}\n")), "{port}");
    // both know where the other is
    assert!(read("deploy/grafana/provisioning/datasources/tagd.yml").contains("url: http://prometheus:9090\n"));
    for image in lines(&text).filter_map(|line| line.trim().strip_prefix("image: ")) {
        let (_, tag) = image.trim_end_matches('}').rsplit_once(':').unwrap();
        assert!(tag != "latest" && tag.contains(|c: char| c.is_ascii_digit()), "{image} is not pinned");
    }
}

#[test]
fn every_secret_of_a_container_is_one_that_the_stack_has_and_that_is_made() {
    let (stack, settings, script) =
        (read("docker-compose.yml"), read("docker/tls.toml"), read("tools/compose-secrets"));
    let named = |text: &str| {
        let names = text.split("/run/secrets/").skip(1);
        names
            .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap().to_owned())
            .collect()
    };
    let used: BTreeSet<String> =
        [&stack, &settings].into_iter().flat_map(|text| -> Vec<String> { named(text) }).collect();
    let (_, given) = stack.split_once("\nsecrets:\n").unwrap();
    let given: Vec<&str> = given.split_whitespace().collect();
    let pairs: Vec<(&str, &str)> = given.chunks(3).map(|line| (line[0].trim_end_matches(':'), line[2])).collect();
    assert_eq!(pairs.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>(), used);
    for (name, file) in pairs {
        let file = file.strip_prefix("./docker/secrets/").unwrap();
        assert!(script.contains(file), "{name}: tools/compose-secrets does not make {file}");
    }
    assert!(read(".gitignore").lines().any(|line| line == "/docker/secrets"));
}

#[test]
fn the_settings_of_the_stack_with_https_are_accepted() {
    let program = Program::new();
    program.write("secret", "0123456789abcdef0123\n");
    program.write("tls.toml", read("docker/tls.toml").replace("/run/secrets/operator_secret", "secret"));
    program.write("master_key", "0123456789abcdef".repeat(4));
    // nothing listens on port 1, so that it ends where everything else was in order
    let variables = [
        ("DATABASE_URL", "postgres://tagd@127.0.0.1:1/tagd?sslmode=disable"),
        ("TAGD_DATABASE_PASSWORD", "p"),
        ("TAGD_CONFIG", "tls.toml"),
        ("TAGD_LISTEN", "127.0.0.1:0"),
        ("TAGD_AUTH", "keys,tokens"),
        ("TAGD_MASTER_KEY_FILE", "master_key"),
    ];
    let program = variables.iter().fold(program, |program, (name, value)| program.with(name, value));
    let said = program.run(&["serve", "--log", "error"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.starts_with("tagd: cannot connect to the database at 127.0.0.1:1: "), "{}", said.err);
}

#[test]
fn the_builder_gets_every_file_that_it_copies_and_the_image_checks_itself() {
    let (image, context) = (read("Dockerfile"), read(".dockerignore"));
    let copies = image.lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from"));
    let copied: Vec<&str> = copies
        .flat_map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            words[1..words.len() - 1].to_vec()
        })
        .collect();
    assert!(copied.len() > 4, "{copied:?}");
    for path in copied {
        assert!(repository(path).exists(), "{path}");
        assert!(context.lines().any(|line| line == format!("!{path}")), ".dockerignore leaves {path} out");
    }
    let check = r#"CMD ["tagd", "health"]"#;
    assert!(image.lines().any(|line| line.starts_with("HEALTHCHECK ") && line.ends_with(check)));
    assert!(image.lines().any(|line| line.starts_with("USER ") && !line.contains("root") && !line.contains(" 0")));
}
