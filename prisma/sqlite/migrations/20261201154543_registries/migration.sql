-- CreateTable
CREATE TABLE "SkillBundle" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "organizationId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "frontMatter" JSONB NOT NULL,
    "format" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "size" INTEGER NOT NULL,
    "unpackedSize" INTEGER NOT NULL,
    "files" INTEGER NOT NULL,
    "seal" TEXT NOT NULL,
    "sealedBy" TEXT NOT NULL,
    "publishedBy" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "yankedAt" DATETIME,
    "yankedReason" TEXT,
    "revision" INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT "SkillBundle_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "SkillArchive" (
    "bundleId" TEXT NOT NULL PRIMARY KEY,
    "content" BLOB NOT NULL,
    CONSTRAINT "SkillArchive_bundleId_fkey" FOREIGN KEY ("bundleId") REFERENCES "SkillBundle" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "ThirdPartySource" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "organizationId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "headerNames" JSONB NOT NULL DEFAULT '[]',
    "sealedHeaders" TEXT,
    "sealedBy" TEXT,
    "createdBy" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "askedAt" DATETIME,
    "status" INTEGER,
    "error" TEXT,
    "fetchedAt" DATETIME,
    "revision" INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT "ThirdPartySource_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "ThirdPartyDocument" (
    "sourceId" TEXT NOT NULL PRIMARY KEY,
    "content" TEXT NOT NULL,
    "etag" TEXT,
    CONSTRAINT "ThirdPartyDocument_sourceId_fkey" FOREIGN KEY ("sourceId") REFERENCES "ThirdPartySource" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_Resource" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "identifier" TEXT NOT NULL,
    "normalIdentifier" TEXT,
    "name" TEXT NOT NULL,
    "organizationId" TEXT,
    "style" JSONB NOT NULL,
    "tokenLifetime" INTEGER NOT NULL,
    "signingAlgorithm" TEXT NOT NULL DEFAULT 'ES256',
    "kind" TEXT NOT NULL DEFAULT 'api',
    "defaultScopes" JSONB NOT NULL DEFAULT '[]',
    "mostCredits" INTEGER NOT NULL DEFAULT 0,
    "title" TEXT,
    "description" TEXT,
    "version" TEXT NOT NULL DEFAULT '1.0.0',
    "createdAt" DATETIME NOT NULL,
    "revokedAt" DATETIME,
    "revision" INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT "Resource_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);
INSERT INTO "new_Resource" ("createdAt", "defaultScopes", "id", "identifier", "kind", "mostCredits", "name", "normalIdentifier", "organizationId", "revision", "revokedAt", "signingAlgorithm", "style", "tokenLifetime") SELECT "createdAt", "defaultScopes", "id", "identifier", "kind", "mostCredits", "name", "normalIdentifier", "organizationId", "revision", "revokedAt", "signingAlgorithm", "style", "tokenLifetime" FROM "Resource";
DROP TABLE "Resource";
ALTER TABLE "new_Resource" RENAME TO "Resource";
CREATE UNIQUE INDEX "Resource_identifier_key" ON "Resource"("identifier");
CREATE UNIQUE INDEX "Resource_normalIdentifier_key" ON "Resource"("normalIdentifier");
CREATE INDEX "Resource_createdAt_id_idx" ON "Resource"("createdAt", "id");
CREATE INDEX "Resource_organizationId_createdAt_id_idx" ON "Resource"("organizationId", "createdAt", "id");
CREATE INDEX "Resource_signingAlgorithm_idx" ON "Resource"("signingAlgorithm");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;

-- CreateIndex
CREATE INDEX "SkillBundle_createdAt_id_idx" ON "SkillBundle"("createdAt", "id");

-- CreateIndex
CREATE INDEX "SkillBundle_organizationId_createdAt_id_idx" ON "SkillBundle"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "SkillBundle_organizationId_name_version_key" ON "SkillBundle"("organizationId", "name", "version");

-- CreateIndex
CREATE INDEX "ThirdPartySource_createdAt_id_idx" ON "ThirdPartySource"("createdAt", "id");

-- CreateIndex
CREATE INDEX "ThirdPartySource_organizationId_createdAt_id_idx" ON "ThirdPartySource"("organizationId", "createdAt", "id");
