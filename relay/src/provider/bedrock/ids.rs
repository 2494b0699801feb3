//! Bedrock's ids of Anthropic's models.

/// Anthropic's name without its date, the date, and the version that Bedrock adds.
const MODELS: &[(&str, &str, &str)] = &[
    ("claude-opus-4-5", "20251101", "-v1:0"),
    ("claude-sonnet-4-5", "20250929", "-v1:0"),
    ("claude-haiku-4-5", "20251001", "-v1:0"),
    ("claude-opus-4-1", "20250805", "-v1:0"),
    ("claude-opus-4", "20250514", "-v1:0"),
    ("claude-sonnet-4", "20250514", "-v1:0"),
    ("claude-3-7-sonnet", "20250219", "-v1:0"),
    ("claude-3-5-sonnet", "20241022", "-v2:0"),
    ("claude-3-5-haiku", "20241022", "-v1:0"),
    ("claude-3-haiku", "20240307", "-v1:0"),
];

/// Beginnings of regions and the inference profiles that serve them, the more exact first.
const PROFILES: &[(&str, &str)] = &[
    ("us-gov-", "us-gov"),
    ("us-", "us"),
    ("eu-", "eu"),
    ("ap-northeast-1", "jp"),
    ("ap-northeast-3", "jp"),
    ("ap-southeast-2", "au"),
    ("ap-southeast-4", "au"),
    ("ap-", "apac"),
];

/// The beginnings of ids that already name a profile.
const PREFIXES: &[&str] = &["us.", "eu.", "apac.", "jp.", "au.", "global.", "us-gov.", "ca.", "sa."];

/// Bedrock's id of a model, with the region's profile; an id of Bedrock's own (which an account's mapping may
/// name) and an ARN stay as they are.
pub fn model_id(model: &str, region: &str) -> String {
    if model.starts_with("arn:")
        || PREFIXES.iter().any(|prefix| model.starts_with(prefix))
        || !model.starts_with("claude-")
    {
        return model.to_owned();
    }
    let name = model.strip_suffix("-latest").unwrap_or(model);
    let known = MODELS.iter().find(|(short, date, _)| {
        name == *short || name.strip_prefix(short).and_then(|rest| rest.strip_prefix('-')) == Some(date)
    });
    let id = match known {
        Some((short, date, version)) => format!("{short}-{date}{version}"),
        // The newest ids have neither date nor version; a dated one keeps the older form.
        None if is_dated(name) => format!("{name}-v1:0"),
        None => name.to_owned(),
    };
    match profile(region) {
        Some(profile) => format!("{profile}.anthropic.{id}"),
        None => format!("anthropic.{id}"),
    }
}

/// Whether Bedrock's id is that of an Anthropic model; what an ARN stands for cannot be seen and is taken to be one.
pub fn is_anthropic(id: &str) -> bool {
    id.contains("anthropic.") || id.contains("application-inference-profile/") || id.contains("provisioned-model/")
}

fn profile(region: &str) -> Option<&'static str> {
    PROFILES.iter().find(|(start, _)| region.starts_with(start)).map(|(_, profile)| *profile)
}

fn is_dated(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(_, last)| last.len() == 8 && last.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_ids_of_the_regions_profile() {
        let cases = [
            ("claude-opus-4-5", "us-east-1", "us.anthropic.claude-opus-4-5-20251101-v1:0"),
            ("claude-sonnet-4-5-20250929", "us-west-2", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ("claude-haiku-4-5", "eu-central-1", "eu.anthropic.claude-haiku-4-5-20251001-v1:0"),
            ("claude-sonnet-4", "ap-south-1", "apac.anthropic.claude-sonnet-4-20250514-v1:0"),
            ("claude-sonnet-4-5", "ap-northeast-1", "jp.anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ("claude-sonnet-4-5", "ap-southeast-2", "au.anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ("claude-opus-4-1-20250805", "us-gov-west-1", "us-gov.anthropic.claude-opus-4-1-20250805-v1:0"),
            ("claude-3-5-sonnet-latest", "us-east-1", "us.anthropic.claude-3-5-sonnet-20241022-v2:0"),
            ("claude-opus-5-5", "us-east-1", "us.anthropic.claude-opus-5-5"),
            ("claude-opus-4-7-20260401", "us-east-1", "us.anthropic.claude-opus-4-7-20260401-v1:0"),
            ("claude-opus-5-5", "me-central-1", "anthropic.claude-opus-5-5"),
            ("global.anthropic.claude-opus-4-6-v1", "us-east-1", "global.anthropic.claude-opus-4-6-v1"),
            ("anthropic.claude-3-haiku-20240307-v1:0", "us-east-1", "anthropic.claude-3-haiku-20240307-v1:0"),
            ("amazon.nova-pro-v1:0", "us-east-1", "amazon.nova-pro-v1:0"),
            (
                "arn:aws:bedrock:us-east-1:1:application-inference-profile/x",
                "us-east-1",
                "arn:aws:bedrock:us-east-1:1:application-inference-profile/x",
            ),
        ];
        for (model, region, id) in cases {
            assert_eq!(model_id(model, region), id, "{model}");
        }
        assert!(is_anthropic("us.anthropic.claude-opus-5-5") && !is_anthropic("amazon.nova-pro-v1:0"));
    }
}
