//! The statements as metrics name them: queries by their shape, all others by what they do.

use std::sync::LazyLock;

use crate::compiler::{Shape, shapes};

/// Which statement it is, as far as that is told apart in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form(usize);

macro_rules! forms {
    ($($form:ident = $name:literal,)*) => {
        enum Number { $($form,)* }

        #[expect(non_upper_case_globals, reason = "they are used like the variants of an enum")]
        impl Form {
            $(pub(super) const $form: Self = Self(Number::$form as usize);)*
        }

        /// The names of the statements that are not compiled, by their numbers.
        const NAMES: &[&str] = &[$($name,)*];
    };
}

forms! {
    Aliases = "aliases",
    AnyForeign = "any_foreign",
    ApplyRetention = "apply_retention",
    AwaitWriters = "await_writers",
    BeginExport = "begin_export",
    BeginImport = "begin_import",
    ChangesOfResource = "changes_of_resource",
    ChangesOfScopes = "changes_of_scopes",
    CheckPosition = "check_position",
    Compliance = "compliance",
    CoveredScopes = "covered_scopes",
    CurrentPosition = "current_position",
    DataTotals = "data_totals",
    ExistingProjects = "existing_projects",
    FeedBeginning = "feed_beginning",
    FeedEnd = "feed_end",
    FindCredential = "find_credential",
    FindPolicy = "find_policy",
    FindProject = "find_project",
    FindProjects = "find_projects",
    FindRegistered = "find_registered",
    FindResource = "find_resource",
    FindScope = "find_scope",
    FindScopes = "find_scopes",
    FindType = "find_type",
    ForeignProjectsAndTypes = "foreign_projects_and_types",
    Gaps = "gaps",
    HaveEnded = "have_ended",
    HistoryStatus = "history_status",
    ImportBatch = "import_batch",
    IsPreparedInTime = "is_prepared_in_time",
    ListActs = "list_acts",
    ListCredentials = "list_credentials",
    ListDomains = "list_domains",
    ListKeys = "list_keys",
    ListPolicies = "list_policies",
    ListPredefined = "list_predefined",
    ListProjects = "list_projects",
    ListRegistered = "list_registered",
    ListScopes = "list_scopes",
    ListTags = "list_tags",
    ListTagsByKey = "list_tags_by_key",
    ListTagsByText = "list_tags_by_text",
    ListTypes = "list_types",
    ListValues = "list_values",
    MarkerSecret = "marker_secret",
    MendNames = "mend_names",
    NoteVerification = "note_verification",
    Offenders = "offenders",
    OpenStore = "open_store",
    PrepareHistory = "prepare_history",
    ProjectNames = "project_names",
    PutCredential = "put_credential",
    PutPolicy = "put_policy",
    PutPredefined = "put_predefined",
    PutProject = "put_project",
    PutType = "put_type",
    ReadReport = "read_report",
    ReadWindow = "read_window",
    RebuildScope = "rebuild_scope",
    RecordFailures = "record_failures",
    Register = "register",
    RemoveCredential = "remove_credential",
    RemovePolicy = "remove_policy",
    RemovePredefined = "remove_predefined",
    RemoveProject = "remove_project",
    RemoveType = "remove_type",
    ReplaceCredentialSecret = "replace_credential_secret",
    ReplacePredefined = "replace_predefined",
    ReplaceTagsIf = "replace_tags_if",
    ResealCredential = "reseal_credential",
    ScopesOfProject = "scopes_of_project",
    SwitchHistory = "switch_history",
    TagsAt = "tags_at",
    TouchCredentials = "touch_credentials",
    TryPolicy = "try_policy",
    Unregister = "unregister",
    VerifyNames = "verify_names",
    VerifyScope = "verify_scope",
    WriteTags = "write_tags",
}

impl Form {
    /// The statement of a query, by the number of its shape.
    pub(super) const fn of_query(shape: usize) -> Self {
        Self(NAMES.len() + shape)
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        names().get(self.0).map_or("other", String::as_str)
    }

    /// Its place among all.
    pub(super) const fn number(self) -> usize {
        self.0
    }
}

/// The names of all forms, by their numbers.
pub(super) fn names() -> &'static [String] {
    static ALL: LazyLock<Vec<String>> = LazyLock::new(|| {
        let queries = shapes().into_iter().map(Shape::name);
        NAMES.iter().map(|name| (*name).to_owned()).chain(queries).collect()
    });
    &ALL
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_form_has_a_name_of_its_own() {
        let names = names();
        let distinct: BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert_eq!(names.get(Form::WriteTags.number()).map(String::as_str), Some("write_tags"));
        let shapes = shapes();
        assert_eq!(names.len(), NAMES.len() + shapes.len());
        for (number, shape) in shapes.into_iter().enumerate() {
            assert_eq!(names.get(Form::of_query(number).number()), Some(&shape.name()));
        }
    }
}
