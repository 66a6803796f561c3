//! Names, addresses and the like, for columns of tables without rows whose names ask for them.
//!
//! The lists are part of what a seed means. Nobody is meant by them: emails are of domains that are kept for examples (RFC
//! 2606), telephone numbers of those that are kept for fiction (555-01xx).

use std::fmt::Write as _;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// What a column's name asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fake {
    Email,
    Login,
    FirstName,
    LastName,
    FullName,
    Company,
    Street,
    Postcode,
    City,
    Country,
    CountryCode,
    Phone,
    Url,
}

const FIRST: [&str; 32] = [
    "Ada", "Ben", "Clara", "David", "Elena", "Felix", "Grace", "Hugo", "Ines", "Jonas", "Karin", "Leo", "Maria",
    "Noah", "Olga", "Paul", "Quentin", "Rosa", "Samuel", "Tara", "Umar", "Vera", "Walter", "Xenia", "Yusuf", "Zoe",
    "Anita", "Bruno", "Chen", "Dilip", "Emma", "Farid",
];
const LAST: [&str; 32] = [
    "Abbot", "Baker", "Costa", "Dumont", "Eriksen", "Fischer", "Garcia", "Hansen", "Ito", "Jansen", "Kowalski",
    "Lopez", "Moreau", "Nguyen", "Olsen", "Patel", "Quinn", "Rossi", "Schmidt", "Tanaka", "Ueda", "Vogel", "Weber",
    "Xu", "Young", "Zeller", "Brown", "Clarke", "Evans", "Khan", "Singh", "Wagner",
];
const STREETS: [&str; 16] = [
    "Main Street",
    "Oak Avenue",
    "Station Road",
    "Mill Lane",
    "High Street",
    "Park Road",
    "Church Street",
    "Elm Street",
    "River Road",
    "Market Square",
    "Hill Street",
    "Garden Lane",
    "Lake View",
    "North Road",
    "School Lane",
    "Bridge Street",
];
const CITIES: [&str; 24] = [
    "Amsterdam",
    "Berlin",
    "Chicago",
    "Dublin",
    "Edinburgh",
    "Florence",
    "Geneva",
    "Hamburg",
    "Istanbul",
    "Jakarta",
    "Kyoto",
    "Lisbon",
    "Madrid",
    "Nairobi",
    "Oslo",
    "Paris",
    "Quito",
    "Rome",
    "Seoul",
    "Toronto",
    "Utrecht",
    "Vienna",
    "Warsaw",
    "Zurich",
];
const COUNTRIES: [(&str, &str); 24] = [
    ("Austria", "AT"),
    ("Belgium", "BE"),
    ("Brazil", "BR"),
    ("Canada", "CA"),
    ("Chile", "CL"),
    ("Denmark", "DK"),
    ("Ecuador", "EC"),
    ("Finland", "FI"),
    ("France", "FR"),
    ("Germany", "DE"),
    ("India", "IN"),
    ("Ireland", "IE"),
    ("Italy", "IT"),
    ("Japan", "JP"),
    ("Kenya", "KE"),
    ("Mexico", "MX"),
    ("Netherlands", "NL"),
    ("Norway", "NO"),
    ("Poland", "PL"),
    ("Portugal", "PT"),
    ("Spain", "ES"),
    ("Sweden", "SE"),
    ("Switzerland", "CH"),
    ("Turkey", "TR"),
];
const TRADES: [&str; 8] = ["Foods", "Systems", "Logistics", "Books", "Motors", "Energy", "Textiles", "Media"];
const FORMS: [&str; 4] = ["Ltd", "Inc", "GmbH", "& Sons"];
/// A table with one of these in its name has people in it, whose `name` is one of a person.
const PEOPLE: [&str; 14] = [
    "user",
    "customer",
    "person",
    "people",
    "employee",
    "contact",
    "author",
    "member",
    "patient",
    "student",
    "client",
    "guest",
    "staff",
    "passenger",
];

impl Fake {
    /// What the name of a column of so many letters asks for, if anything.
    pub(crate) fn of(table: &str, column: &str, limit: usize) -> Option<Self> {
        let table = table.to_lowercase();
        // `firstName` and `FIRST_NAME` are both `firstname`.
        let plain: String = column.to_lowercase().chars().filter(|letter| letter.is_alphanumeric()).collect();
        let ends = |endings: &[&str]| endings.iter().any(|ending| plain.ends_with(ending));
        let fake = if ends(&["email", "emailaddress", "mail"]) {
            Self::Email
        } else if ends(&["username", "login", "nickname"]) {
            Self::Login
        } else if ends(&["firstname", "givenname", "forename"]) {
            Self::FirstName
        } else if ends(&["lastname", "surname", "familyname"]) {
            Self::LastName
        } else if ends(&["fullname", "displayname", "contactname", "customername"])
            || (plain == "name" && PEOPLE.iter().any(|people| table.contains(people)))
        {
            Self::FullName
        } else if ends(&["company", "companyname", "organisation", "organization", "employer"]) {
            Self::Company
        } else if ends(&["street", "address", "addressline1", "address1"]) {
            Self::Street
        } else if ends(&["postcode", "postalcode", "zip", "zipcode"]) {
            Self::Postcode
        } else if ends(&["city", "town"]) && !ends(&["capacity", "velocity", "ethnicity"]) {
            Self::City
        } else if ends(&["country", "countryname", "countrycode"]) {
            if limit < 4 { Self::CountryCode } else { Self::Country }
        } else if ends(&["phone", "phonenumber", "mobile", "telephone", "fax"]) {
            Self::Phone
        } else if ends(&["url", "website", "homepage"]) {
            Self::Url
        } else {
            return None;
        };
        Some(fake)
    }

    /// Writes one.
    pub(crate) fn write(self, rng: &mut ChaCha8Rng, out: &mut String) {
        let written = match self {
            Self::Email => {
                let (first, last) = (pick(&FIRST, rng).to_lowercase(), pick(&LAST, rng).to_lowercase());
                write!(out, "{first}.{last}@example.{}", pick(&["com", "org", "net"], rng))
            }
            Self::Login => write!(out, "{}{}", pick(&FIRST, rng).to_lowercase(), rng.random_range(1..1_000)),
            Self::FirstName => write!(out, "{}", pick(&FIRST, rng)),
            Self::LastName => write!(out, "{}", pick(&LAST, rng)),
            Self::FullName => write!(out, "{} {}", pick(&FIRST, rng), pick(&LAST, rng)),
            Self::Company => {
                write!(out, "{} {} {}", pick(&LAST, rng), pick(&TRADES, rng), pick(&FORMS, rng))
            }
            Self::Street => write!(out, "{} {}", rng.random_range(1..200), pick(&STREETS, rng)),
            Self::Postcode => write!(out, "{:05}", rng.random_range(1_000..100_000)),
            Self::City => write!(out, "{}", pick(&CITIES, rng)),
            Self::Country => write!(out, "{}", pick(&COUNTRIES, rng).0),
            Self::CountryCode => write!(out, "{}", pick(&COUNTRIES, rng).1),
            Self::Phone => write!(out, "+1-{}-555-01{:02}", rng.random_range(201..990), rng.random_range(0..100)),
            Self::Url => {
                let (first, last) = (pick(&LAST, rng).to_lowercase(), pick(&CITIES, rng).to_lowercase());
                write!(out, "https://www.example.com/{first}/{last}")
            }
        };
        written.expect("a string takes all that is written to it");
    }
}

fn pick<T: Copy>(list: &[T], rng: &mut ChaCha8Rng) -> T {
    list[rng.random_range(0..list.len())]
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_columns_name_says_what_it_holds() {
        for (table, column, limit, expected) in [
            ("users", "email", 80, Some(Fake::Email)),
            ("t", "ContactEmail", 80, Some(Fake::Email)),
            ("t", "first_name", 80, Some(Fake::FirstName)),
            ("customers", "name", 80, Some(Fake::FullName)),
            ("products", "name", 80, None),
            ("t", "home_city", 80, Some(Fake::City)),
            ("t", "capacity", 80, None),
            ("t", "country", 2, Some(Fake::CountryCode)),
            ("t", "zip_code", 10, Some(Fake::Postcode)),
            ("t", "note", 80, None),
        ] {
            assert_eq!(Fake::of(table, column, limit), expected, "{table}.{column}");
        }
    }

    #[test]
    fn an_address_looks_like_one() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (fake, sign) in [(Fake::Email, "@example."), (Fake::Url, "https://"), (Fake::Phone, "-555-01")] {
            let mut text = String::new();
            fake.write(&mut rng, &mut text);
            assert!(text.contains(sign), "{text}");
        }
    }
}
