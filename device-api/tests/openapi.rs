//! `openapi.json` is generated from the table in `routes` and the types in `manifest::api`; here it is compared.
//!
//! After a change: `UPDATE_GENERATED=1 cargo test -p device-api --test openapi`.

use device_api::{
    answer::status,
    routes::{OCTETS, Operation, ROUTES, Route, SESSION, Takes},
};
use hyper::Method;
use manifest::api::{self, ErrorClass};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ComponentsBuilder, ContentBuilder, HttpMethod, InfoBuilder, KnownFormat, ObjectBuilder, OpenApi, OpenApiBuilder,
        PathItem, PathsBuilder, Ref, RefOr, Required, ResponseBuilder, SchemaFormat, Type,
        path::{OperationBuilder, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::Schema,
        security::{SecurityRequirement, SecurityScheme},
    },
};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

#[test]
fn the_checked_in_document_is_current() {
    let document = document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        linux::files::write_durably(PATH, document.as_bytes(), 0o644).unwrap();
    }
    let checked_in = String::from_utf8(linux::files::read(PATH, 1 << 20).unwrap()).unwrap();
    assert!(checked_in == document, "openapi.json is not what the code says; run this test with UPDATE_GENERATED=1");
}

#[test]
fn every_answer_is_a_type_of_the_document() {
    let document = document();
    let schemas = document.components.unwrap().schemas;
    for route in ROUTES {
        assert!(
            ["object", OCTETS, SESSION].contains(&route.answer) || schemas.contains_key(route.answer),
            "{} {}",
            route.path,
            route.answer
        );
    }
    assert!(schemas.contains_key("ErrorBody"));
}

fn document() -> OpenApi {
    let mut paths = PathsBuilder::new();
    for route in ROUTES {
        let method = match route.method {
            Method::GET => HttpMethod::Get,
            Method::PUT => HttpMethod::Put,
            Method::POST => HttpMethod::Post,
            Method::DELETE => HttpMethod::Delete,
            ref other => panic!("{other} is in the table and not here"),
        };
        paths = paths.path(route.path, PathItem::new(method, operation(route)));
    }
    let description = "Mutual TLS 1.3: the device's certificate is pinned by its SHA-256, the client's is of the owner's CA with its \
                       role (viewer, operator, developer) as the OU of its subject; each role may do what the ones before it \
                       may. Every refusal is an ErrorBody.";
    let info = InfoBuilder::new().title("Holdfast device API").version("1").description(Some(description)).build();
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components())).build()
}

fn components() -> utoipa::openapi::Components {
    let mut all: Vec<(String, RefOr<Schema>)> = Vec::new();
    macro_rules! add {
        ($($type:ident)*) => {$(
            all.push((api::$type::name().into_owned(), api::$type::schema()));
            api::$type::schemas(&mut all);
        )*};
    }
    add!(DeviceInfo ServiceList Done EventPage LogPage BootTrace NetworkStatus AppList AppStatus InstallResult AppConfig AppDenials AppPolicy CrashList ErrorBody);
    let mtls =
        SecurityScheme::MutualTls { description: Some("A client certificate of the owner's CA.".into()), extensions: None };
    all.into_iter()
        .fold(ComponentsBuilder::new(), |builder, (name, schema)| builder.schema(name, schema))
        .security_scheme("mutualTls", mtls)
        .build()
}

fn operation(route: &Route) -> utoipa::openapi::path::Operation {
    let json = |schema| ContentBuilder::new().schema(Some(schema)).build();
    let (kind, content) = match route.answer {
        "object" => ("application/json", json(RefOr::T(ObjectBuilder::new().into()))),
        OCTETS | SESSION => ("application/octet-stream", binary()),
        name => ("application/json", json(RefOr::Ref(Ref::from_schema_name(name)))),
    };
    let (number, words) = if route.answer == SESSION { ("101", "The protocol is switched.") } else { ("200", "Done.") };
    let done = ResponseBuilder::new().description(words).content(kind, content).build();
    let error = RefOr::Ref(Ref::from_schema_name("ErrorBody"));
    let refused = ResponseBuilder::new().description(refusals(route)).content("application/json", json(error)).build();
    let mut operation = OperationBuilder::new()
        .operation_id(Some(kebab(route.operation)))
        .summary(Some(route.purpose))
        .description(Some(format!("Role: {}.", route.role)))
        .security(SecurityRequirement::new("mutualTls", Vec::<String>::new()))
        .response(number, done)
        .response("default", refused);
    for part in route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let kind = if part == "number" { Type::Integer } else { Type::String };
        let value = ObjectBuilder::new().schema_type(kind);
        operation = operation.parameter(
            ParameterBuilder::new().name(part).parameter_in(ParameterIn::Path).required(Required::True).schema(Some(value)),
        );
    }
    match route.takes {
        Takes::Nothing => {}
        Takes::Page => {
            for (name, purpose) in
                [("after", "Only what has a higher sequence number."), ("limit", "At most this many, 1 to 1000.")]
            {
                let number =
                    ObjectBuilder::new().schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
                operation = operation.parameter(
                    ParameterBuilder::new()
                        .name(name)
                        .parameter_in(ParameterIn::Query)
                        .description(Some(purpose))
                        .schema(Some(number)),
                );
            }
        }
        Takes::AppPage => {
            operation = operation.parameter(
                ParameterBuilder::new()
                    .name("after")
                    .parameter_in(ParameterIn::Query)
                    .description(Some("Only what comes behind the app with this component id."))
                    .schema(Some(ObjectBuilder::new().schema_type(Type::String))),
            );
        }
        Takes::Bundle | Takes::Document => {
            let what =
                if route.takes == Takes::Bundle { "A bundle; Content-Length is required." } else { "Any bytes, at most 32 KiB." };
            let body = RequestBodyBuilder::new().content("application/octet-stream", binary()).required(Some(Required::True));
            operation = operation.request_body(Some(body.description(Some(what)).build()));
            if route.takes == Takes::Bundle {
                let words = |name: &str, description: &str, values: [&str; 2]| {
                    let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values));
                    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query);
                    parameter.description(Some(description)).schema(Some(schema))
                };
                let downgrade =
                    "`allowed`: also an older version, where the device's image lets the client's role. Else `refused`.";
                let when = "`now`: at once. Else `convenient`: once the apps with the right to put updates off let it come.";
                operation = operation.parameter(words("downgrade", downgrade, ["refused", "allowed"])).parameter(words(
                    "when",
                    when,
                    ["convenient", "now"],
                ));
            }
        }
    }
    operation.build()
}

fn binary() -> utoipa::openapi::content::Content {
    let bytes = ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
    ContentBuilder::new().schema(Some(bytes)).build()
}

/// The table of classes and statuses, from the code that applies it.
fn refusals(route: &Route) -> String {
    let classes = [
        (ErrorClass::Usage, "usage"),
        (ErrorClass::BadInput, "bad-input"),
        (ErrorClass::Untrusted, "untrusted"),
        (ErrorClass::NotGranted, "not-granted"),
        (ErrorClass::NotFound, "not-found"),
        (ErrorClass::Conflict, "conflict"),
        (ErrorClass::Forbidden, "forbidden"),
        (ErrorClass::NoSpace, "no-space"),
        (ErrorClass::Unavailable, "unavailable"),
        (ErrorClass::Internal, "internal"),
    ];
    let table: Vec<String> = classes.iter().map(|(class, name)| format!("{name} {}", status(*class).as_u16())).collect();
    let more = if route.takes == Takes::Bundle { "; 408 too slow, 411 without Content-Length, 413 too large" } else { "" };
    format!("Refused or failed, by class: {}{more}.", table.join(", "))
}

fn kebab(operation: Operation) -> String {
    let mut name = String::new();
    for letter in format!("{operation:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(letter.to_lowercase());
    }
    name
}
