-- CreateTable
CREATE TABLE "Identity" (
    "id" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Identity_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "IdentityMember" (
    "identityId" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "memberId" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "IdentityMember_pkey" PRIMARY KEY ("identityId","organizationId")
);

-- CreateTable
CREATE TABLE "PersonSession" (
    "id" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "memberId" TEXT NOT NULL,
    "identityId" TEXT,
    "amr" JSONB NOT NULL,
    "provider" TEXT,
    "vouchedBy" TEXT,
    "authenticatedAt" TIMESTAMP(3) NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "lastUsedAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,
    "endedAt" TIMESTAMP(3),
    "endedReason" TEXT,

    CONSTRAINT "PersonSession_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "SignInLink" (
    "id" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "memberId" TEXT NOT NULL,
    "createdBy" TEXT NOT NULL,
    "vouchedBy" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,
    "sessionEndsAt" TIMESTAMP(3),
    "usedAt" TIMESTAMP(3),

    CONSTRAINT "SignInLink_pkey" PRIMARY KEY ("id")
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

-- AddForeignKey
ALTER TABLE "IdentityMember" ADD CONSTRAINT "IdentityMember_identityId_fkey" FOREIGN KEY ("identityId") REFERENCES "Identity"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "IdentityMember" ADD CONSTRAINT "IdentityMember_memberId_fkey" FOREIGN KEY ("memberId") REFERENCES "Member"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "PersonSession" ADD CONSTRAINT "PersonSession_memberId_fkey" FOREIGN KEY ("memberId") REFERENCES "Member"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "PersonSession" ADD CONSTRAINT "PersonSession_identityId_fkey" FOREIGN KEY ("identityId") REFERENCES "Identity"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "SignInLink" ADD CONSTRAINT "SignInLink_memberId_fkey" FOREIGN KEY ("memberId") REFERENCES "Member"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
