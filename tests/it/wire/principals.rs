//! What a principal gets: what spans projects covers those of its account, in every use case that has no project.

use tagd::{
    app::{App, AppSettings},
    auth::{Authenticated, CredentialRef, Principal},
    domain::{
        Answer, Command, QueryOutput, ResourceQuery, Rights, Role, ScopeSelector, Tag, TagQuery,
        change::Registration,
        command::{KeysetPage, PredefinedOrder, PredefinedQuery, ResourceRef, TagChange},
    },
    service::{AuthSettings, MAX_AGE, Service},
};

use crate::support::{World, block_on, registration, tag};

fn of_account(domain_id: Option<&str>) -> Principal {
    let rights = match domain_id {
        Some(domain_id) => Rights::in_domain(Role::Tagger, domain_id.into(), None),
        None => Rights::operator(None),
    };
    let credential = CredentialRef::None;
    Principal::new(Authenticated { name: "somebody".into(), rights: rights.into(), credential }, "r-1".into(), None)
}

fn in_account(account: &str, registration: Registration) -> Registration {
    Registration { project_id: format!("p-{account}"), domain_id: Some(account.to_owned()), ..registration }
}

fn page() -> KeysetPage {
    KeysetPage { limit: 10, marker: None }
}

async fn names(service: &Service, principal: &Principal, command: Command) -> Vec<String> {
    match service.run(principal, &command).await.unwrap() {
        Answer::Names { names, .. } => names,
        Answer::Page(page) => page.items.iter().map(|item| item.resource_id().to_owned()).collect(),
        Answer::TagList(list) => list.tags.iter().map(Tag::text).collect(),
        Answer::Predefined { tags, .. } => tags.into_iter().map(|predefined| predefined.tag.key).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_spans_projects_covers_those_of_the_principals_account() {
    let world = World::with(&[
        in_account("a", registration("cdn", "ra", "", &[("ka", "v1")])),
        in_account("b", registration("cdn", "rb", "", &[("kb", "v2")])),
    ]);
    let everywhere = |resource_id: &str| ResourceRef {
        project_id: None,
        resource_type: "cdn".into(),
        resource_id: resource_id.into(),
    };
    block_on(async {
        let app = App::new(AppSettings {
            workers: 1,
            region: "r".into(),
            store: world.db.settings(),
            auth: AuthSettings::default(),
            max_age: MAX_AGE,
            replicas: None,
        });
        let service = app.worker().service;
        for (account, resources, keys) in [
            (None, vec!["ra", "rb"], vec!["ka", "kb"]),
            (Some("a"), vec!["ra"], vec!["ka"]),
            (Some("c"), vec![], vec![]),
        ] {
            let principal = of_account(account);
            let query = Command::Query(ResourceQuery {
                scopes: ScopeSelector::Types { resource_types: vec!["cdn".into()], project_id: None },
                query: TagQuery::default(),
                output: QueryOutput::Page { limit: 10, offset: 0 },
            });
            assert_eq!(names(&service, &principal, query).await, resources, "{account:?}");
            let list = Command::ListKeys { region: None, part: page() };
            assert_eq!(names(&service, &principal, list).await, keys, "{account:?}");
            let values = Command::ListValues { region: None, key: "kb".into(), part: page() };
            assert_eq!(names(&service, &principal, values).await.len(), usize::from(account.is_none()), "{account:?}");
            let used = Command::ListUsedTags {
                project_id: None,
                resource_type: "cdn".into(),
                resource_id: None,
                limit: 10,
                offset: 0,
            };
            assert_eq!(names(&service, &principal, used).await.len(), keys.len(), "{account:?}");
            // a resource whose project is not named is found in the account only, to read and to change
            let list = Command::ListTags(everywhere("rb"));
            assert_eq!(service.run(&principal, &list).await.is_ok(), account.is_none(), "{account:?}");
            let change = TagChange::Put(vec![tag("kb", "v2")]);
            let change = Command::ChangeTags { target: everywhere("rb"), change };
            assert_eq!(service.run(&principal, &change).await.is_ok(), account.is_none(), "{account:?}");
        }
    });
}

#[test]
fn predefined_tags_are_those_of_the_principals_account() {
    let world = World::new();
    block_on(async {
        let app = App::new(AppSettings {
            workers: 1,
            region: "r".into(),
            store: world.db.settings(),
            auth: AuthSettings::default(),
            max_age: MAX_AGE,
            replicas: None,
        });
        let service = app.worker().service;
        let all = || {
            Command::ListPredefined(PredefinedQuery {
                key: None,
                value: None,
                limit: 0,
                offset: 0,
                order: PredefinedOrder::Key,
                descending: false,
            })
        };
        service.run(&of_account(Some("a")), &Command::PutPredefined(vec![tag("k", "v")])).await.unwrap();
        assert_eq!(names(&service, &of_account(Some("a")), all()).await, ["k"]);
        assert!(names(&service, &of_account(Some("b")), all()).await.is_empty());
        assert!(names(&service, &of_account(None), all()).await.is_empty());
    });
}
