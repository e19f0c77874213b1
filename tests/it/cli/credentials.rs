//! Credentials of the program: the master key, keys and tokens, and secrets that no message may show.

use crate::support::{Program, Said};

/// What no message may have in it: parts of secrets that the tests use.
const HIDDEN: [&str; 3] = ["hunter2", "918273645", "0123456789abcdef0123"];

/// One clear line of refusal that shows no secret.
fn refusal(said: &Said) -> &str {
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
    assert_eq!(said.complaints().len(), 1, "{}", said.err);
    assert_hidden(&said.err);
    said.err.trim().strip_prefix("tagd: ").unwrap()
}

fn assert_hidden(text: &str) {
    for hidden in HIDDEN {
        assert!(!text.contains(hidden), "{hidden} is shown: {text}");
    }
}

/// A master key of one digit.
fn master_key(digit: char) -> String {
    digit.to_string().repeat(64)
}

// ---- secrets

#[test]
fn no_error_shows_a_secret_in_the_wrong_form_or_place() {
    let key = master_key('0').replace("0000000000000000", "0123456789abcdef");
    let program = Program::new();
    let of_key = |secret: &str| format!("[[keys]]\naccess = \"AK\"\nrole = \"reader\"\nsecret = {secret}\n");
    for (file, expected) in [
        (of_key("918273645"), "the settings file tagd.toml: line 4: must be a string"),
        (of_key("918273645.5"), "the settings file tagd.toml: line 4: must be a string"),
        (of_key("[\"hunter2\"]"), "the settings file tagd.toml: line 4: "),
        (of_key("{ hunter = \"hunter2\" }"), "the settings file tagd.toml: line 4: "),
        (of_key("hunter2"), "the settings file tagd.toml: line 4: "),
        (of_key("918273645hunter2"), "the settings file tagd.toml: line 4: "),
        (of_key("\"hunter2"), "the settings file tagd.toml: line 4: "),
        ("keys = \"AK:hunter2\"\n".to_owned(), "the settings file tagd.toml: line 1: must be a sequence"),
        ("keys = [\"hunter2\"]\n".to_owned(), "the settings file tagd.toml: line 1: must be "),
        ("database_url = 918273645\n".to_owned(), "the settings file tagd.toml: line 1: must be a string"),
        ("connections = \"hunter2\"\n".to_owned(), "the settings file tagd.toml: line 1: must be u32"),
        (format!("master_key_file = \"{key}\"\n"), "master_key_file: must be the name of a file, got the key itself"),
        (
            "tls_cert = \"c\"\ntls_key = \"-----BEGIN PRIVATE KEY-----\\nhunter2\"\n".to_owned(),
            "tls_key: must be the name of a file, got the key itself",
        ),
    ] {
        program.write("tagd.toml", &file);
        let said = program.run(&["migrate", "--config", "tagd.toml"]);
        assert!(refusal(&said).starts_with(expected), "{file}: {}", said.err);
    }
    let said = program.run(&["migrate", "--master-key-file", &key]);
    assert_eq!(refusal(&said), "master_key_file: must be the name of a file, got the key itself");
    // the driver would log a parameter that it does not know with its value
    let url = "postgres://nobody@127.0.0.1:1/none?passwrod=hunter2&sslmode=disable&pass%77ort=hunter2";
    let said = program.run(&["migrate", "--database-url", url, "--log", "debug"]);
    assert_hidden(&said.err);
    assert!(said.err.contains("passwrod") && said.err.contains("passwort"), "{}", said.err);
    for args in [
        &["key", "create", "--name", "n", "--role", "operator", "--secret=hunter2"][..],
        &["serve", "--master-key=hunter2"],
    ] {
        let said = program.run(args);
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert_hidden(&said.err);
    }
}
