//! A Brigade pipeline as numbers: the rules from symptom to diagnosis.
