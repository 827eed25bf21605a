-- CreateTable
CREATE TABLE "Identity" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "provider" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "IdentityMember" (
    "identityId" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "memberId" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,

    PRIMARY KEY ("identityId", "organizationId"),
    CONSTRAINT "IdentityMember_identityId_fkey" FOREIGN KEY ("identityId") REFERENCES "Identity" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "IdentityMember_memberId_fkey" FOREIGN KEY ("memberId") REFERENCES "Member" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "PersonSession" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "digest" TEXT NOT NULL,
    "memberId" TEXT NOT NULL,
    "identityId" TEXT,
    "amr" JSONB NOT NULL,
    "provider" TEXT,
    "vouchedBy" TEXT,
    "authenticatedAt" DATETIME NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "lastUsedAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "endedAt" DATETIME,
    "endedReason" TEXT,
    CONSTRAINT "PersonSession_memberId_fkey" FOREIGN KEY ("memberId") REFERENCES "Member" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "PersonSession_identityId_fkey" FOREIGN KEY ("identityId") REFERENCES "Identity" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "SignInLink" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "digest" TEXT NOT NULL,
    "memberId" TEXT NOT NULL,
    "createdBy" TEXT NOT NULL,
    "vouchedBy" TEXT,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "sessionEndsAt" DATETIME,
    "usedAt" DATETIME,
    CONSTRAINT "SignInLink_memberId_fkey" FOREIGN KEY ("memberId") REFERENCES "Member" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateIndex
CREATE UNIQUE INDEX "Identity_provider_subject_key" ON "Identity"("provider", "subject");

-- CreateIndex
CREATE INDEX "IdentityMember_memberId_idx" ON "IdentityMember"("memberId");

-- CreateIndex
CREATE UNIQUE INDEX "PersonSession_digest_key" ON "PersonSession"("digest");

-- CreateIndex
CREATE INDEX "PersonSession_memberId_createdAt_id_idx" ON "PersonSession"("memberId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "PersonSession_identityId_idx" ON "PersonSession"("identityId");

-- CreateIndex
CREATE INDEX "PersonSession_expiresAt_idx" ON "PersonSession"("expiresAt");

-- CreateIndex
CREATE UNIQUE INDEX "SignInLink_digest_key" ON "SignInLink"("digest");

-- CreateIndex
CREATE INDEX "SignInLink_memberId_createdAt_idx" ON "SignInLink"("memberId", "createdAt");

-- CreateIndex
CREATE INDEX "SignInLink_expiresAt_idx" ON "SignInLink"("expiresAt");
