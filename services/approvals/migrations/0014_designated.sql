-- 指定者のみ: the case is not for the whole owner unit (AC-02). As the document was submitted; it never changes.
ALTER TABLE cases ADD COLUMN designated boolean NOT NULL DEFAULT false;
