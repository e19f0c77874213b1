//! The registry: tagd's own API, which registers types, projects and resources.
//!
//! `docs/REGISTRY.md` describes it. It is not a dialect: its responses have headers (`ETag`) and streams, and it has
//! errors that no cloud service has.

mod credentials;
mod history;
mod policies;
mod refusal;
mod respond;
mod transfer;
mod wire;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{Method, StatusCode, header},
    web::{self, Payload, ServiceConfig},
};

use super::{
    body,
    conditions::{self, Outcome},
    path::get_or_head,
    principal::Unidentified,
    refusal::not_found,
};
use crate::{
    dialects::DIALECTS,
    domain::{
        Resource,
        change::Registration,
        command::ResourceType,
        registration,
        registry::{NewProject, Registered, RegistryError},
    },
    json::List,
    service::Start,
    transfer::line,
};
pub(crate) use credentials::{CredentialReply, IssuedReply, time_of};

use refusal::Refusal;
use respond::{ALL, Handled, READ, ROOT, RegistryAccess, only, put_status, read, reply, reply_read, reply_with};
use wire::{
    MarkerReply, Parameters, ProjectBody, ProjectReply, ProjectsReply, ResourceBody, ResourceReply, ResourcesReply,
    TagList, TagsBody, TagsReply, TypeBody, TypeReply, TypesReply,
};

pub(super) fn configure(config: &mut ServiceConfig) {
    let one = "/projects/{project_id}/types/{resource_type}/resources/{resource_id}";
    config.service(
        web::scope(ROOT)
            .service(only("/types", READ).route(get_or_head().to(list_types)))
            .service(
                only("/types/{resource_type}", ALL)
                    .route(get_or_head().to(get_type))
                    .route(web::put().to(put_type))
                    .route(web::delete().to(delete_type)),
            )
            .service(only("/projects", READ).route(get_or_head().to(list_projects)))
            .service(
                only("/projects/{project_id}", ALL)
                    .route(get_or_head().to(get_project))
                    .route(web::put().to(put_project))
                    .route(web::delete().to(delete_project)),
            )
            .service(
                only("/projects/{project_id}/types/{resource_type}/resources", READ)
                    .route(get_or_head().to(list_resources)),
            )
            .service(
                only(one, ALL)
                    .route(get_or_head().to(get_resource))
                    .route(web::put().to(put_resource))
                    .route(web::delete().to(delete_resource)),
            )
            .service(
                only(&format!("{one}/tags"), "GET, HEAD, OPTIONS, PUT")
                    .route(get_or_head().to(get_tags))
                    .route(web::put().to(put_tags)),
            )
            .configure(credentials::configure)
            .configure(history::configure)
            .configure(policies::configure)
            .service(only("/import", "OPTIONS, POST").route(web::post().to(import)))
            .service(only("/export", READ).route(get_or_head().to(export)))
            .default_service(web::route().to(async |request: HttpRequest| not_found(&request))),
    );
}

/// Whether a path belongs to the registry.
pub(super) fn has(path: &str) -> bool {
    path.starts_with("/registry/v1/")
}

/// Whether a request may take as long as its client and the database need: an import, an export, or the deletion of a project.
/// These have connections of their own.
pub(super) fn is_bulk(method: &Method, path: &str) -> bool {
    match path.strip_prefix("/registry/v1/") {
        Some("import" | "export") => true,
        Some(rest) => *method == Method::DELETE && rest.strip_prefix("projects/").is_some_and(|id| !id.contains('/')),
        None => false,
    }
}

/// The response to a request without valid credentials.
pub(super) fn unidentified(refused: Unidentified) -> HttpResponse {
    let refused: Refusal = match refused {
        Unidentified::Error(error) => error.into(),
        Unidentified::Body(error) => Refusal::Body(error),
    };
    refused.error_response()
}

// ---- resource types

async fn list_types(request: HttpRequest, access: RegistryAccess) -> Handled {
    Parameters::read(&request, &[])?;
    let types = access.state.registry.list_types(&access.principal).await?;
    reply_read(&request, None, &TypesReply { resource_types: types.iter().map(TypeReply::of).collect() })
}

async fn get_type(request: HttpRequest, access: RegistryAccess) -> Handled {
    Parameters::read(&request, &[])?;
    let found = access.state.registry.find_type(&access.principal, wire::path(&request)?.get("resource_type")).await?;
    reply_read(&request, None, &TypeReply::of(&found))
}

async fn put_type(request: HttpRequest, access: RegistryAccess, payload: Payload) -> Handled {
    Parameters::read(&request, &[])?;
    wire::no_condition(&request)?;
    let TypeBody { service, regional, tag_quota, aliases } = read(&request, payload).await?;
    let aliases = aliases.map(|List(aliases)| aliases);
    let resource_type = wire::path(&request)?.get("resource_type").to_owned();
    let resource_type = ResourceType { resource_type, service, regional, tag_quota, aliases: Vec::new() };
    let services: Vec<&str> = DIALECTS.iter().map(|dialect| dialect.service.name).collect();
    registration::check_type(&resource_type, &services)?;
    registration::check_aliases(aliases.as_deref().unwrap_or_default())?;
    let (created, aliases) =
        access.state.registry.put_type(&access.principal, &resource_type, aliases.as_deref()).await?;
    Ok(reply(put_status(created), &TypeReply::of(&ResourceType { aliases, ..resource_type })))
}

async fn delete_type(request: HttpRequest, access: RegistryAccess) -> Handled {
    Parameters::read(&request, &[])?;
    wire::no_condition(&request)?;
    body::check_change(&request).map_err(Refusal::Type)?;
    access.state.registry.remove_type(&access.principal, wire::path(&request)?.get("resource_type")).await?;
    Ok(HttpResponse::NoContent().finish())
}

// ---- projects

async fn list_projects(request: HttpRequest, access: RegistryAccess) -> Handled {
    let parameters = Parameters::read(&request, &["limit", "marker"])?;
    let (projects, next_marker) =
        access.state.registry.list_projects(&access.principal, parameters.marker()?, parameters.limit()?).await?;
    let projects = projects.iter().map(ProjectReply::of).collect();
    reply_read(&request, None, &ProjectsReply { projects, next_marker })
}

async fn get_project(request: HttpRequest, access: RegistryAccess) -> Handled {
    Parameters::read(&request, &[])?;
    let found = access.state.registry.find_project(&access.principal, wire::path(&request)?.get("project_id")).await?;
    reply_read(&request, None, &ProjectReply::of(&found))
}

async fn put_project(request: HttpRequest, access: RegistryAccess, payload: Payload) -> Handled {
    Parameters::read(&request, &[])?;
    wire::no_condition(&request)?;
    let ProjectBody { project_name, domain_id } = read(&request, payload).await?;
    let project = NewProject {
        project_id: wire::path(&request)?.get("project_id").to_owned(),
        project_name: project_name.unwrap_or_default(),
        domain_id,
    };
    registration::check_project(&project)?;
    let (created, project) = access.state.registry.put_project(&access.principal, project).await?;
    Ok(reply(put_status(created), &ProjectReply::of(&project)))
}

async fn delete_project(request: HttpRequest, access: RegistryAccess) -> Handled {
    let with_resources = Parameters::read(&request, &["with_resources"])?.flag("with_resources")?;
    wire::no_condition(&request)?;
    body::check_change(&request).map_err(Refusal::Type)?;
    access
        .state
        .registry
        .remove_project(&access.principal, wire::path(&request)?.get("project_id"), with_resources)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

// ---- resources

async fn list_resources(request: HttpRequest, access: RegistryAccess) -> Handled {
    let parameters = Parameters::read(&request, &["limit", "marker", "offset"])?;
    let path = wire::path(&request)?;
    let (project_id, resource_type) = (path.get("project_id"), path.get("resource_type"));
    let (limit, start) = (parameters.limit()?, parameters.start()?);
    let page = access.state.registry.list_resources(&access.principal, project_id, resource_type, limit, start).await?;
    let resources = page.resources.iter().map(ResourceReply::of).collect::<Result<_, _>>()?;
    let next_marker = matches!(start, Start::Marker(_)).then_some(MarkerReply(page.next_marker));
    reply_read(&request, None, &ResourcesReply { total_count: page.total, resources, next_marker })
}

async fn get_resource(request: HttpRequest, access: RegistryAccess) -> Handled {
    Parameters::read(&request, &[])?;
    let path = wire::path(&request)?;
    let resource_id = path.get("resource_id");
    let found = access.state.registry.find_resource(&access.principal, &wire::resource_ref(&path)).await?;
    reply_read(&request, Some(&found.etag), &resource_reply(resource_id, &found)?)
}

async fn put_resource(request: HttpRequest, access: RegistryAccess, payload: Payload) -> Handled {
    Parameters::read(&request, &[])?;
    let condition = wire::condition(&request, true)?;
    let ResourceBody { resource_name, resource_detail, tags } = read(&request, payload).await?;
    let path = wire::path(&request)?;
    let with_tags = tags.is_some();
    // a resource has the same limits as a line of an import
    let Registration { project_id, resource_type, resource, .. } = registration::check_registration(Registration {
        project_id: path.get("project_id").to_owned(),
        resource_type: path.get("resource_type").to_owned(),
        resource: Resource {
            resource_id: path.get("resource_id").to_owned(),
            resource_name: resource_name.unwrap_or_default(),
            detail: resource_detail.map(|raw| raw.get().to_owned()),
            tags: line::tags_of(tags.unwrap_or_default()),
        },
        ..Registration::default()
    })?;
    let (created, found) = access
        .state
        .registry
        .put_resource(&access.principal, &project_id, &resource_type, &resource, with_tags, &condition)
        .await?;
    Ok(reply_with(put_status(created), &found.etag, &resource_reply(&resource.resource_id, &found)?))
}

async fn delete_resource(request: HttpRequest, access: RegistryAccess) -> Handled {
    Parameters::read(&request, &[])?;
    let condition = wire::condition(&request, false)?;
    body::check_change(&request).map_err(Refusal::Type)?;
    access
        .state
        .registry
        .remove_resource(&access.principal, &wire::resource_ref(&wire::path(&request)?), &condition)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn get_tags(request: HttpRequest, access: RegistryAccess) -> Handled {
    let parameters = Parameters::read(&request, &["at"])?;
    let resource = wire::resource_ref(&wire::path(&request)?);
    if let Some(at) = parameters.get("at") {
        let tags = access.state.history.tags_at(&access.principal, &resource, history::read_past("at", at)?).await?;
        return reply_read(&request, None, &TagsReply { tags: TagList(&tags) });
    }
    let found = access.state.registry.find_resource(&access.principal, &resource).await?;
    reply_read(&request, Some(&found.etag), &TagsReply { tags: TagList(&found.tags) })
}

async fn put_tags(request: HttpRequest, access: RegistryAccess, payload: Payload) -> Handled {
    Parameters::read(&request, &[])?;
    let condition = wire::condition(&request, false)?;
    let TagsBody { tags } = read(&request, payload).await?;
    let tags = registration::check_tags(line::tags_of(tags))?;
    let etag = access
        .state
        .registry
        .replace_tags(&access.principal, &wire::resource_ref(&wire::path(&request)?), &tags, &condition)
        .await?;
    Ok(reply_with(StatusCode::OK, &etag, &TagsReply { tags: TagList(&tags) }))
}

fn resource_reply<'a>(resource_id: &'a str, found: &'a Registered) -> Result<ResourceReply<'a>, Refusal> {
    Ok(ResourceReply::new(resource_id, &found.resource_name, found.detail.as_deref(), &found.tags)?)
}

// ---- import and export

async fn import(request: HttpRequest, access: RegistryAccess, payload: Payload) -> Handled {
    wire::no_condition(&request)?;
    let coding = body::check_changing(&request, transfer::TYPES, transfer::CODINGS).map_err(Refusal::Type)?;
    transfer::import(&request, &access, payload, coding).await
}

async fn export(request: HttpRequest, access: RegistryAccess) -> Handled {
    if conditions::of_read(&request, None)? == Outcome::Failed {
        return Err(RegistryError::Condition.into());
    }
    if *request.method() == Method::HEAD {
        Parameters::read(&request, &["only"])?.kinds()?;
        // headers that are only known once the body exists are left out, and no export runs
        let answer =
            HttpResponse::Ok().content_type(transfer::NDJSON).insert_header((header::VARY, "Accept-Encoding")).finish();
        return Ok(answer.set_body(actix_web::body::None::new()).map_into_boxed_body());
    }
    transfer::export(&request, &access).await
}
