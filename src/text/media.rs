//! Media types of pictures from the ending of their address. Never opens a picture.

/// The media type that the ending of `address` promises; `application/octet-stream` when it promises nothing known.
pub fn media_type(address: &str) -> &'static str {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let ending = path.rsplit('/').next().and_then(|file| file.rsplit_once('.')).map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "svg" => "image/svg+xml",
        "bmp" => "image/bmp",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_of_the_file_decides_and_not_that_of_the_query() {
        assert_eq!(media_type("images/hoi-nghi.JPG?v=1.png#x.gif"), "image/jpeg");
        assert_eq!(media_type("images/hoi-nghi.webp"), "image/webp");
        assert_eq!(media_type("images.png/hoi-nghi"), "application/octet-stream");
    }
}
