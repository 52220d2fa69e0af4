//! A folder of Markdown or HTML files with front matter.
