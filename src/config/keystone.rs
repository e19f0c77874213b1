//! Settings of the Keystone whose tokens are accepted.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use clap::Args;

use super::{
    AuthMode,
    error::ConfigError,
    secrets::of_variable,
    values::{path_parser, set_path},
};

/// Flags of the Keystone.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::doc_markdown, reason = "shown as help, where backticks would stand as they are")]
pub struct KeystoneArgs {
    /// URL of the Keystone whose tokens are accepted with --auth keystone, with its port
    /// [default: none]
    #[arg(long, env = "TAGD_KEYSTONE_URL", value_name = "URL")]
    pub keystone_url: Option<String>,

    /// CA certificates in PEM. With it, the certificate of the Keystone must be signed by one of these CAs, instead of one
    /// that the system trusts [default: none]
    #[arg(long, env = "TAGD_KEYSTONE_CA_FILE", value_name = "FILE", value_parser = path_parser())]
    pub keystone_ca_file: Option<PathBuf>,

    /// User as which tagd asks the Keystone about tokens [default: none]
    #[arg(long, env = "TAGD_KEYSTONE_USER", value_name = "NAME")]
    pub keystone_user: Option<String>,

    /// File with the password of this user. The variable TAGD_KEYSTONE_PASSWORD may have the password itself [default: none]
    #[arg(long, env = "TAGD_KEYSTONE_PASSWORD_FILE", value_name = "FILE", value_parser = path_parser())]
    pub keystone_password_file: Option<PathBuf>,

    /// Name of the domain of this user and its project [default: Default]
    #[arg(long, env = "TAGD_KEYSTONE_DOMAIN", value_name = "NAME")]
    pub keystone_domain: Option<String>,

    /// Name of the project in which this user may validate tokens. Without one, its role in the system is used [default:
    /// none]
    #[arg(long, env = "TAGD_KEYSTONE_PROJECT", value_name = "NAME")]
    pub keystone_project: Option<String>,
}

impl KeystoneArgs {
    /// These flags, or else the settings of the file.
    pub(super) fn or(&self, file: Self) -> Self {
        let text = |flag: &Option<String>, file: Option<String>| {
            [flag.clone(), file].into_iter().flatten().find(|text| !text.is_empty())
        };
        Self {
            keystone_url: text(&self.keystone_url, file.keystone_url),
            keystone_ca_file: set_path(self.keystone_ca_file.as_ref(), file.keystone_ca_file),
            keystone_user: text(&self.keystone_user, file.keystone_user),
            keystone_password_file: set_path(self.keystone_password_file.as_ref(), file.keystone_password_file),
            keystone_domain: text(&self.keystone_domain, file.keystone_domain),
            keystone_project: text(&self.keystone_project, file.keystone_project),
        }
    }
}

/// The Keystone, and as whom tagd asks it.
#[derive(Clone)]
pub struct KeystoneSetting {
    /// Its URL.
    pub url: String,
    /// The file with the CAs that may sign its certificate, if they are not those of the system.
    pub ca_file: Option<PathBuf>,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
    /// Name of the domain of the user and its project.
    pub domain: String,
    /// Name of the project.
    pub project: Option<String>,
    /// Names of roles of tagd by those of Keystone, if the file has them.
    pub roles: Option<BTreeMap<String, String>>,
}

/// Without the password.
impl std::fmt::Debug for KeystoneSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeystoneSetting").field("url", &self.url).field("user", &self.user).finish_non_exhaustive()
    }
}

/// The settings of the Keystone, which are only needed if its tokens are accepted. `password` is that of the environment.
pub(super) fn keystone(
    modes: &[AuthMode],
    given: KeystoneArgs,
    password: Option<OsString>,
    roles: Option<BTreeMap<String, String>>,
) -> Result<Option<KeystoneSetting>, ConfigError> {
    if !modes.contains(&AuthMode::Keystone) {
        return Ok(None);
    }
    let KeystoneArgs {
        keystone_url,
        keystone_ca_file,
        keystone_user,
        keystone_password_file,
        keystone_domain,
        keystone_project,
    } = given;
    let missing = |required| ConfigError::Requires { setting: "auth = keystone", required };
    let url = keystone_url.ok_or_else(|| missing("keystone_url"))?;
    let url = url.trim_end_matches('/').trim_end_matches("/v3").to_owned();
    if url.contains('@') {
        return Err(ConfigError::KeystoneLogin);
    }
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(ConfigError::KeystoneUrl(url));
    }
    if keystone_ca_file.is_some() && !url.starts_with("https://") {
        return Err(ConfigError::Requires { setting: "keystone_ca_file", required: "a keystone_url with https://" });
    }
    let file = ("keystone_password_file", keystone_password_file.as_deref());
    let password = of_variable(("TAGD_KEYSTONE_PASSWORD", password), file)?
        .ok_or_else(|| missing("keystone_password_file or the variable TAGD_KEYSTONE_PASSWORD"))?;
    Ok(Some(KeystoneSetting {
        url,
        ca_file: keystone_ca_file,
        user: keystone_user.ok_or_else(|| missing("keystone_user"))?,
        password,
        domain: keystone_domain.unwrap_or_else(|| "Default".to_owned()),
        project: keystone_project,
        roles,
    }))
}
