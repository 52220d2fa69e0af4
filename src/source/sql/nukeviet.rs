//! `NukeViet` 4 as a preset: the SELECTs that an operator would have to write for its news module. Pure.
//!
//! Facts of its tables: `status` 1 is published (scheduled articles wait with 2 until `NukeViet` itself turns them to 1);
//! `publtime` and `exptime` are Unix seconds, 0 for none; `homeimgthumb` 1 and 2 say that the picture is a file below
//! `uploads/<module>/`, 3 that it is an address; a category is open to guests if its `groups_view` holds 6 (all) or 5
//! (guests).

/// Whether a name can stand in the name of a table.
pub(super) fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The address of an article where the portal has its languages in addresses, as `NukeViet` installs.
pub(super) fn link(language: &str, module: &str) -> String {
    format!("{{base}}{language}/{module}/{{category}}/{{alias}}-{{id}}.html")
}

/// The articles that are published, with body, categories and tags.
pub(super) fn articles(prefix: &str, language: &str, module: &str) -> String {
    // Names of tables cannot hold a hyphen: NukeViet writes a module `tin-tuc` as tin_tuc there.
    let table = format!("{prefix}_{language}_{}", module.replace('-', "_"));
    format!(
        "SELECT r.id AS id, r.title AS title, r.alias AS alias, r.publtime AS published, r.edittime AS updated, \
         r.exptime AS expires, CONCAT(r.catid, ',', r.listcatid) AS category_id, r.hometext AS summary, \
         CONCAT('<p>', r.hometext, '</p>', COALESCE(d.bodyhtml, '')) AS content, r.author AS author, \
         (SELECT GROUP_CONCAT(t.keyword ORDER BY t.tid SEPARATOR ',') FROM {table}_tags_id t WHERE t.id = r.id) AS tags, \
         CASE WHEN r.homeimgfile = '' THEN NULL WHEN r.homeimgthumb IN (1, 2) THEN CONCAT('uploads/{module}/', r.homeimgfile) \
         WHEN r.homeimgthumb = 3 THEN r.homeimgfile END AS image, r.homeimgalt AS image_alt, '{language}' AS language \
         FROM {table}_rows r LEFT JOIN {table}_detail d ON d.id = r.id WHERE r.status = 1"
    )
}

/// The categories that guests may see. Before 4.3 a category has no `status`; then the name falls through to the outer
/// query, where it is 1.
pub(super) fn categories(prefix: &str, language: &str, module: &str) -> String {
    let table = format!("{prefix}_{language}_{}_cat", module.replace('-', "_"));
    format!(
        "SELECT c.catid AS id, c.parentid AS parent, c.title AS title, c.alias AS slug \
         FROM {table} c CROSS JOIN (SELECT 1 AS status) of_old \
         WHERE (FIND_IN_SET('6', c.groups_view) OR FIND_IN_SET('5', c.groups_view)) \
         AND EXISTS (SELECT 1 FROM {table} v WHERE v.catid = c.catid AND status IN (1, 2))"
    )
}
