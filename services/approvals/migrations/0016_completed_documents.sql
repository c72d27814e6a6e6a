-- Documents that are completed, as they announced it: their cases are for the owner unit from then on, no more for who acted
-- (domain.md 0.3). By document, for a completed one gets no further case.
CREATE TABLE completed_documents (
    document_id uuid PRIMARY KEY
);
GRANT SELECT, INSERT ON completed_documents TO ${app};
