//! A server under requests from several clients.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    MARK, MOST_FAILURES, SECRET_MARK, answers,
    client::{Client, Outcome, Reply},
    mutations,
    request::{Framing, Owed, Request, chance},
    routes,
    seen::Seen,
    sequences,
};
use crate::{
    access::{borrowed, signed},
    support::{Dice, Serving},
};

/// Clients of a server.
const CLIENTS: usize = 4;

/// After how many requests a run says how far it is.
const SAID: usize = 10_000;

/// How requests show who sends them.
pub struct Credentials {
    pub operator: String,
    /// Tokens with fewer rights.
    pub others: Vec<String>,
    pub revoked: String,
    pub key: (String, String),
}

/// What was found out.
#[derive(Default)]
pub struct Findings {
    pub failures: Vec<String>,
    /// Answers by status.
    pub statuses: BTreeMap<u16, usize>,
    /// Messages of 503.
    pub refusals: BTreeMap<String, usize>,
    pub lived: usize,
    pub ended_between: usize,
    /// The request whose answer took longest.
    pub slowest: (Duration, String),
}

/// A server under requests.
pub struct Run {
    pub seed: u64,
    pub serving: Serving,
    pub routes: Vec<(&'static str, String)>,
    pub credentials: Option<Credentials>,
    pub seen: Seen,
    pub findings: Mutex<Findings>,
}

impl Run {
    /// The request as whoever may do everything sends it.
    pub fn as_operator(&self, request: Request) -> Request {
        match &self.credentials {
            Some(credentials) => request.with("X-Auth-Token", &credentials.operator),
            None => request,
        }
    }

    pub fn judge(&self, request: &Request, outcome: Outcome) -> Result<Option<Reply>, String> {
        let judged = answers::judge(request, outcome);
        if let Ok(Some(reply)) = &judged {
            let mut findings = self.findings.lock().unwrap();
            *findings.statuses.entry(reply.status).or_default() += 1;
            if reply.status == 503 {
                let target = String::from_utf8_lossy(&request.target);
                let path = target.split('?').next().unwrap_or_default();
                let what = format!("{} {path}: {}", request.method, String::from_utf8_lossy(&reply.body));
                *findings.refusals.entry(what.replace(|c: char| c.is_ascii_digit(), "#")).or_default() += 1;
            }
        }
        judged
    }

    fn time(&self, took: Duration, request: &Request) {
        let mut findings = self.findings.lock().unwrap();
        if took > findings.slowest.0 {
            findings.slowest = (took, request.shown());
        }
    }

    fn fail(&self, case: usize, why: &str, request: &str) {
        let failure = format!("TAGD_SEED={} case {case}: {why}\n  {request}", self.seed);
        // a long run is not over for some time
        println!("{failure}");
        self.findings.lock().unwrap().failures.push(failure);
    }

    /// Requests with credentials, right, wrong and none.
    fn authenticate(&self, dice: &mut Dice, request: &mut Request) {
        // each from an address of its own, or the limit of failures would refuse them all
        if request.header("X-Forwarded-For").is_none() && !chance(dice, 50) {
            request.set("X-Forwarded-For", format!("10.{}.{}.{}", dice.roll(256), dice.roll(256), 1 + dice.roll(254)));
        }
        let Some(credentials) = &self.credentials else {
            // nobody looks at them
            if chance(dice, 10) {
                request.set("X-Auth-Token", format!("tagd_{SECRET_MARK}"));
            }
            return;
        };
        // what a mutation has chosen stays
        if request.header("Authorization").is_some() || request.header("X-Auth-Token").is_some() {
            return;
        }
        let other = &credentials.others[dice.roll(credentials.others.len())];
        match dice.roll(20) {
            0 => {}
            1 => request.set("X-Auth-Token", &credentials.revoked),
            2 => {
                let mut wrong = credentials.operator.clone().into_bytes();
                let at = 5 + dice.roll(wrong.len() - 5);
                wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
                request.set("X-Auth-Token", wrong);
            }
            3 => request.set("Authorization", format!("Bearer {}", credentials.operator)),
            4 => {
                request.set("X-Auth-Token", &credentials.operator);
                request.set("Authorization", format!("Bearer {other}"));
            }
            5 | 6 => {
                let target = String::from_utf8_lossy(&request.target).into_owned();
                let (path, query) = target.split_once('?').unwrap_or((&target, ""));
                let (access, secret) = (&*credentials.key.0, &*credentials.key.1);
                let secret = if chance(dice, 4) { "zqs-wrong-secret-wrong" } else { secret };
                let headers = signed((access, secret), &request.method, (path, query), &[], &request.body);
                for (name, value) in borrowed(&headers) {
                    request.set(name, value);
                }
            }
            7 => {
                if let Some(token) = self.seen.subject(dice) {
                    request.set("X-Auth-Token", token);
                }
            }
            8..12 => request.set("X-Auth-Token", other),
            _ => request.set("X-Auth-Token", &credentials.operator),
        }
    }

    /// A request, changed in no way or in a few.
    fn draw(&self, dice: &mut Dice) -> Request {
        // others have something to find only if enough is registered
        let registers = chance(dice, 8);
        let known = |(method, path): &&(&str, String)| {
            *method == "PUT" && path.ends_with("/resources/r") || path.ends_with("/import")
        };
        let drawn = self.routes.iter().filter(|route| !registers || known(route)).collect::<Vec<_>>();
        let (method, path) = drawn[dice.roll(drawn.len())];
        let mut request = routes::draw(dice, (method, path), &self.seen).unwrap();
        let changes = if registers { 0 } else { [0, 0, 1, 1, 1, 2, 2, 3][dice.roll(8)] };
        for _ in 0..changes {
            mutations::mutate(dice, &mut request, &self.seen);
        }
        if request.version == "HTTP/1.0" && request.framing != Framing::Length && request.owed == Owed::Answer {
            // which has no chunks
            request.owed = Owed::AnswerOrEnd;
        }
        self.authenticate(dice, &mut request);
        request
    }

    /// One case: how many requests it sent.
    fn one(&self, case: usize, client: &mut Client) -> usize {
        let mut dice = Dice(mixed(self.seed, case));
        if chance(&mut dice, 100) {
            let (sent, outcome) = sequences::live(self, client, &mut dice, case);
            match outcome {
                Ok(()) => self.findings.lock().unwrap().lived += 1,
                Err(why) => self.fail(case, &why, "a sequence"),
            }
            return sent;
        }
        if chance(&mut dice, 50) {
            return self.pipeline(case, client, &mut dice);
        }
        let request = self.draw(&mut dice);
        let begun = Instant::now();
        if let Some(outcome) = client.send(&request, &mut dice) {
            self.time(begun.elapsed(), &request);
            match self.judge(&request, outcome) {
                Ok(Some(reply)) => self.seen.learn(&mut dice, &reply),
                Ok(None) => {}
                Err(why) => self.fail(case, &why, &request.shown()),
            }
        }
        1
    }

    /// Several requests at once. Each has an answer, in their order, up to one that ends the connection.
    fn pipeline(&self, case: usize, client: &Client, dice: &mut Dice) -> usize {
        let mut requests = Vec::new();
        let count = 2 + dice.roll(8);
        while requests.len() < count {
            let mut request = self.draw(dice);
            // actix-http frames an answer as if it were to the last request if one is of these (ARCHITECTURE)
            let is_plain =
                matches!(request.method.as_str(), "GET" | "POST" | "PUT" | "DELETE") && request.version == "HTTP/1.1";
            if request.owed == Owed::Answer
                && is_plain
                && request.header("Upgrade").is_none()
                && request.header("Connection").is_none()
            {
                request.set("X-Request-Id", format!("{MARK}-{}", requests.len()));
                requests.push(request);
            }
        }
        let outcomes = client.pipeline(&requests, dice);
        let answered = outcomes.len();
        for (i, (outcome, request)) in outcomes.into_iter().zip(&requests).enumerate() {
            let judged = self.judge(request, outcome).and_then(|reply| {
                let id = reply.as_ref().and_then(|reply| reply.header("x-request-id")).unwrap_or_default().to_owned();
                if id == format!("{MARK}-{i}") { Ok(()) } else { Err(format!("the answer to {id}")) }
            });
            if let Err(why) = judged {
                self.fail(case, &format!("request {i} of {count} in a pipeline: {why}"), &request.shown());
            }
        }
        answered
    }

    /// Sends requests from several clients.
    pub fn send(&self, requests: usize) {
        let (sent, next) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut client = Client::new(self.serving.address());
                    while sent.load(Ordering::Relaxed) < requests
                        && self.findings.lock().unwrap().failures.len() < MOST_FAILURES
                    {
                        let case = next.fetch_add(1, Ordering::Relaxed);
                        let count = self.one(case, &mut client);
                        let before = sent.fetch_add(count, Ordering::Relaxed);
                        if before / SAID != (before + count) / SAID {
                            println!("{} requests", before + count);
                        }
                    }
                    self.findings.lock().unwrap().ended_between += client.ended_between;
                });
            }
        });
    }
}

/// A state for the dice of a case.
fn mixed(seed: u64, case: usize) -> u64 {
    // SplitMix64
    let mut state = seed.wrapping_add((case as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (state ^ (state >> 31)) | 1
}
