//! What was seen in answers, to be sent again: markers, states, tokens.

use std::sync::Mutex;

use serde_json::Value;

use super::{MARK, client::Reply};
use crate::support::Dice;

/// What was seen in answers, to be sent again.
pub struct Seen {
    markers: Mutex<Vec<String>>,
    etags: Mutex<Vec<String>>,
    /// Tokens of logins.
    subjects: Mutex<Vec<String>>,
    /// Credentials that requests have made: identifiers.
    made: Mutex<Vec<String>>,
    /// Their secrets.
    pub secrets: Mutex<Vec<String>>,
    key: (String, String),
}

/// How many of the newest are kept of each.
const KEPT: usize = 64;

fn keep(list: &Mutex<Vec<String>>, dice: &mut Dice, text: &str) {
    let mut list = list.lock().unwrap();
    if list.len() < KEPT {
        list.push(text.to_owned());
    } else {
        let at = dice.roll(KEPT);
        list[at] = text.to_owned();
    }
}

fn drawn(list: &Mutex<Vec<String>>, dice: &mut Dice) -> Option<String> {
    let list = list.lock().unwrap();
    (!list.is_empty()).then(|| list[dice.roll(list.len())].clone())
}

impl Seen {
    pub fn new(key: (String, String)) -> Self {
        Self {
            markers: Mutex::default(),
            etags: Mutex::default(),
            subjects: Mutex::default(),
            made: Mutex::default(),
            secrets: Mutex::default(),
            key,
        }
    }

    pub fn marker(&self, dice: &mut Dice) -> String {
        drawn(&self.markers, dice).unwrap_or_else(|| MARK.to_owned())
    }

    pub fn etag(&self, dice: &mut Dice) -> String {
        drawn(&self.etags, dice).unwrap_or_else(|| format!("\"{MARK}\""))
    }

    pub fn subject(&self, dice: &mut Dice) -> Option<String> {
        drawn(&self.subjects, dice)
    }

    pub fn credential(&self, dice: &mut Dice) -> Option<String> {
        drawn(&self.made, dice)
    }

    pub fn key_name(&self) -> String {
        self.key.0.clone()
    }

    pub fn key_secret(&self) -> String {
        self.key.1.clone()
    }

    /// Learns from an answer.
    pub fn learn(&self, dice: &mut Dice, reply: &Reply) {
        if let Some(etag) = reply.header("etag") {
            keep(&self.etags, dice, etag);
        }
        if let Some(token) = reply.header("x-subject-token").filter(|_| reply.status == 201) {
            keep(&self.subjects, dice, token);
            self.secrets.lock().unwrap().push(token.to_owned());
        }
        let Ok(json) = serde_json::from_slice::<Value>(&reply.body) else { return };
        for marker in [&json["next_marker"], &json["marker"], &json["page_info"]["next_marker"]] {
            if let Some(marker) = marker.as_str().filter(|marker| !marker.is_empty()) {
                keep(&self.markers, dice, marker);
            }
        }
        for secret in ["secret", "token", "security_token"] {
            if let Some(secret) = json[secret].as_str() {
                self.secrets.lock().unwrap().push(secret.to_owned());
                if let Some(id) = json["id"].as_str() {
                    keep(&self.made, dice, id);
                }
            }
        }
    }
}
