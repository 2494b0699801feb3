//! The texts Alipay signs: parameters sorted by name, joined as `name=value` with `&`, values as they are.

use std::collections::BTreeMap;

/// What the merchant signs of a request: every parameter with a value, `sign` aside.
pub(super) fn request_text(parameters: &BTreeMap<&'static str, String>) -> String {
    join(parameters.iter().filter(|(name, value)| **name != "sign" && !value.is_empty()).map(|(n, v)| (*n, v.as_str())))
}

/// What Alipay signs of a notification: every parameter, `sign` and `sign_type` aside.
pub(super) fn notice_text(parameters: &BTreeMap<String, String>) -> String {
    let signed = parameters.iter().filter(|(name, _)| *name != "sign" && *name != "sign_type");
    join(signed.map(|(name, value)| (name.as_str(), value.as_str())))
}

fn join<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_sign_the_type_but_nothing_empty() {
        let parameters = BTreeMap::from([
            ("sign_type", "RSA2".to_owned()),
            ("app_id", "2021".to_owned()),
            ("return_url", String::new()),
            ("biz_content", r#"{"a":"1 &=2"}"#.to_owned()),
            ("sign", "x".to_owned()),
        ]);
        assert_eq!(request_text(&parameters), r#"app_id=2021&biz_content={"a":"1 &=2"}&sign_type=RSA2"#);
    }

    #[test]
    fn notifications_sign_all_but_signature_and_type() {
        let parameters = [("sign", "x"), ("sign_type", "RSA2"), ("b", "中"), ("a", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(notice_text(&BTreeMap::from(parameters)), "a=&b=中");
    }
}
